// Whether the name of this member belongs to somebody else: names are for people, the installation is who it is.
import type { Ms } from '../kernel/time.ts'
import type { MemberRecord } from './cluster.ts'
import { memberByName, type Situation } from './situation.ts'

/** Beyond the lease: what a store may take to notice its end. */
const LEASE_SLACK_MS: Ms = 5000

/**
 * The member key of this name while another installation, or a Patroni agent, stands in it. A holder of the
 * leadership has the name by right: it puts its own key back, and the other one ends.
 */
export function namesake(s: Situation): MemberRecord | null {
  if (s.holding) return null
  const found = memberByName(s.cluster, s.view.me.name)
  return found !== null && found.vigil?.install !== s.view.me.install ? found : null
}

/** A key that outlives this is kept alive: its agent runs. */
export function leaseExplains(ttlMs: Ms): Ms {
  return ttlMs + LEASE_SLACK_MS
}
