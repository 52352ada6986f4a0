// What weakens synchronous commits, or keeps them waiting, for people.
import { elapsedAtMost, type Ms } from '../kernel/time.ts'
import type { WeakCommits } from './instance.ts'
import type { Situation } from './situation.ts'
import type { Warning } from './status-model.ts'

const STRANGER_SHOWN_MS: Ms = 600_000
const NAMES_LATE_MS: Ms = 2000

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
