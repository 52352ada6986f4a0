// The `/sync` key in Patroni's form: whom its agents may let take over, and how many of them must agree.
import type { ClusterState } from '../cluster.ts'
import type { AcknowledgementRule } from '../term.ts'

/**
 * While older rules count too, and while the leader alone acknowledges, nobody but the leader: Patroni knows one rule
 * only. `quorum` is how many votes besides the candidate's own are needed.
 */
export function syncText(
  leader: string,
  rules: readonly AcknowledgementRule[] | null,
  cluster: ClusterState | null,
): string {
  if (rules === null) return JSON.stringify({ leader: null, quorum: 0, sync_standby: null })
  const [rule, ...others] = rules
  const names = rule?.seats.map(seat => nameOf(seat, cluster)) ?? []
  const known = names.filter(name => name !== null)
  const shown = rule && others.length === 0 && rule.k > 0 && known.length === names.length
  return JSON.stringify({
    leader,
    quorum: shown ? names.length - rule.k : 0,
    sync_standby: shown ? known.sort().join(',') : null,
  })
}

function nameOf(seat: string, cluster: ClusterState | null): string | null {
  return cluster?.members.find(member => member.value.vigil?.seat === seat)?.value.name ?? null
}
