// What stands in the way for longer, said in the log again and again: decisions are recorded only when they change.
import type { View } from '../core/view.ts'
import { elapsedAtLeast, type Instant, type Ms } from '../kernel/time.ts'
import type { Context } from './context.ts'

/** What passes sooner is not worth a line. */
const PATIENCE_MS: Ms = 2000
const REPEAT_MS: Ms = 5000

interface Complaint {
  readonly message: string
  readonly reason: string
}

export function createComplaints(context: Context): { about(view: View): void } {
  const { log } = context.ports
  const open = new Map<string, { readonly since: Instant; said: Instant | null }>()

  const complain = ({ message, reason }: Complaint, now: Instant) => {
    const known = open.get(message) ?? { since: now, said: null }
    open.set(message, known)
    const forMs = elapsedAtLeast(known.since, now)
    const due = known.said === null ? forMs >= PATIENCE_MS : elapsedAtLeast(known.said, now) >= REPEAT_MS
    if (!due) return
    known.said = now
    log.warn(message, { reason, for_s: Math.round(forMs / 1000) })
  }

  return {
    about(view) {
      const now = view.now
      const complaints = complaintsOf(view)
      for (const complaint of complaints) complain(complaint, now)
      for (const [message, { since, said }] of open) {
        if (complaints.some(complaint => complaint.message === message)) continue
        open.delete(message)
        if (said)
          log.info('no longer', { what: message, for_s: Math.round(elapsedAtLeast(since, now) / 1000) })
      }
    },
  }
}

function complaintsOf({ store, instance, directory, guard }: View): readonly Complaint[] {
  const alive = guard?.status.alive === true
  const found: Complaint[] = []
  if (store.kind === 'lost')
    found.push({ message: 'the store does not answer; nobody is promoted meanwhile', reason: store.reason })
  if (alive && instance.kind === 'lost')
    found.push({ message: 'PostgreSQL does not answer the agent', reason: instance.reason })
  if (alive && instance.kind === 'known' && instance.value.kind === 'starting')
    found.push({ message: 'PostgreSQL does not let the agent in', reason: instance.value.reason })
  if (guard && !alive && directory.kind === 'lost')
    found.push({ message: 'the data directory cannot be looked at', reason: directory.reason })
  return found
}
