// Who commits wait for, in words: from the record, and on the leader from what is in force.
import { elapsedAtMost, type Ms } from '../kernel/time.ts'
import type { WeakCommits } from './instance.ts'
import type { SynchronousMode } from './settings.ts'
import type { Situation } from './situation.ts'
import type { Warning } from './status-model.ts'
import { ownRule } from './synchronous/seats.ts'

export interface SynchronousStatus {
  readonly mode: SynchronousMode
  readonly strict: boolean
  /** `degraded`: the leader's copy alone may have a commit. `changing`: an older or a wider rule counts too. */
  readonly state: 'asynchronous' | 'steady' | 'changing' | 'degraded'
  /** So many of the members must have a commit before it is acknowledged. */
  readonly k: number
  readonly members: readonly string[]
}

export type SyncRole = 'sync_standby' | 'quorum_standby'

const STRANGER_SHOWN_MS: Ms = 600_000
const NAMES_LATE_MS: Ms = 2000

export function synchronousStatus(s: Situation): SynchronousStatus {
  const { synchronousMode: mode, synchronousModeStrict: strict } = s.view.settings
  const own = s.record ? ownRule(s.record) : null
  const members = (own?.seats ?? []).map(seat => nameOf(s, seat) ?? `copy ${seat}`).sort()
  return { mode, strict, state: stateOf(s), k: own?.k ?? 0, members }
}

function stateOf({ record, view }: Situation): SynchronousStatus['state'] {
  if (!record || record.rules === null)
    return view.settings.synchronousMode === 'off' || !record ? 'asynchronous' : 'changing'
  const own = ownRule(record)
  if (!own || record.rules.length > 1 || (own.k === 0 && own.seats.length > 0)) return 'changing'
  return own.k === 0 ? 'degraded' : 'steady'
}

/** As Patroni calls a standby that commits wait for; null: none waits for this member. */
export function syncRoleOf(s: Situation, name: string): SyncRole | null {
  const own = s.record ? ownRule(s.record) : null
  if (!own || own.k === 0 || !own.seats.some(seat => nameOf(s, seat) === name)) return null
  return s.view.settings.synchronousMode === 'quorum' ? 'quorum_standby' : 'sync_standby'
}

function nameOf(s: Situation, seat: string): string | null {
  const member = s.cluster?.members.find(({ value }) => value.vigil?.seat === seat)
  return member?.value.name ?? s.view.memory.seatsSeen[seat]?.name ?? null
}

export function synchronousWarnings(s: Situation): readonly Warning[] {
  const { record, view, running } = s
  const { settings, memory } = view
  if (settings.synchronousMode === 'off' && (record?.rules ?? null) === null) return []
  const warnings: Warning[] = []
  const others = (s.cluster?.members ?? []).length - 1
  if (settings.synchronousNodeCount > Math.max(others, 0) && s.cluster)
    warnings.push(
      settings.synchronousModeStrict
        ? alarm(
            'too-few-members',
            `commits are to wait for ${settings.synchronousNodeCount} standbys and there are ${others}: nothing is acknowledged`,
          )
        : notice(
            'too-few-members',
            `synchronous_node_count is ${settings.synchronousNodeCount}, and only ${others} other members are there`,
          ),
    )
  const { strangerSeen } = memory
  if (strangerSeen && elapsedAtMost(strangerSeen.at, s.now) < STRANGER_SHOWN_MS)
    warnings.push(
      alarm(
        'forged-name',
        `somebody at ${strangerSeen.address ?? 'the local socket'} streamed under the name ${strangerSeen.name} without that member's slot and was ended: until then it may have acknowledged commits`,
      ),
    )
  if (running.kind !== 'primary') return warnings
  const { namesTold } = memory
  if (
    namesTold &&
    running.status.synchronousNames !== namesTold.names.text &&
    elapsedAtMost(namesTold.at, s.now) > NAMES_LATE_MS
  )
    warnings.push(
      alarm(
        'names-overridden',
        `synchronous_standby_names is not what the cluster set ("${running.status.synchronousNames}"): it is set again`,
      ),
    )
  return [...warnings, ...running.status.weakCommits.map(weakWarning)]
}

function weakWarning({ value, role, database }: WeakCommits): Warning {
  const whose = [role && `role ${role}`, database && `database ${database}`].filter(Boolean).join(' in ')
  return notice(
    'weak-commits',
    `synchronous_commit is ${value} for ${whose || 'everybody'}: those commits can be lost although they were acknowledged`,
  )
}

function alarm(code: string, text: string): Warning {
  return { code, text, severity: 'alarm' }
}

function notice(code: string, text: string): Warning {
  return { code, text, severity: 'notice' }
}
