// The flight recorder: the last decisions and why they were made. Equal ones in a row are recorded once.
import type { Decision } from '../core/action.ts'
import type { RecordedDecision } from '../core/recorded-decision.ts'
import type { View } from '../core/view.ts'
import type { AgentPorts } from './options.ts'

const DECISIONS_KEPT = 512
/** Rules that say nothing worth keeping across restarts. */
const ROUTINE = new Set(['lead', 'idle', 'follow', 'paused'])
/** Done again and again; they make no new decision of an old one. */
const ROUTINE_ACTIONS = new Set(['T1', 'publish'])

export interface Recorder {
  record(view: View, decision: Decision, performed: readonly string[], stoppedBy: string | null): void
  list(): readonly RecordedDecision[]
}

export function createRecorder(ports: AgentPorts): Recorder {
  const kept: RecordedDecision[] = []
  let sequence = 0
  let last = ''
  return {
    record(view, decision, performed, stoppedBy) {
      const notable = performed.filter(action => !ROUTINE_ACTIONS.has(action))
      const what = JSON.stringify([decision.rule, notable, stoppedBy])
      if (what === last) return
      last = what
      sequence += 1
      const line: RecordedDecision = {
        sequence,
        at: view.wallTime,
        rule: decision.rule,
        because: decision.because,
        actions: performed,
        stoppedBy,
        term: view.store.kind === 'known' ? (view.store.value.term?.value.term ?? null) : null,
      }
      kept.push(line)
      if (kept.length > DECISIONS_KEPT) kept.shift()
      if (ROUTINE.has(decision.rule) && stoppedBy === null) return
      ports.log.info('decision', {
        rule: line.rule,
        term: line.term,
        actions: performed.join(' '),
        stopped_by: stoppedBy,
        ...line.because,
      })
      ports.keepDecision?.(JSON.stringify(line))
    },
    list: () => kept,
  }
}
