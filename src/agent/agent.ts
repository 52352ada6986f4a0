// The agent: observe, decide, record, act, again. Whatever wakes it carries no data.
import type { Action, Decision } from '../core/action.ts'
import { decide } from '../core/decide.ts'
import type { MemberRequest, RequestOutcome } from '../core/request.ts'
import type { View } from '../core/view.ts'
import { reasonOf } from '../kernel/errors.ts'
import { elapsedAtMost, type Instant, type Ms } from '../kernel/time.ts'
import { createComplaints } from './complaints.ts'
import { type Context, createContext } from './context.ts'
import type { AgentHandle } from './handle.ts'
import { createHealthWatch } from './health-watch.ts'
import { createLeaseKeeper } from './lease.ts'
import { keepMemory } from './member-memory.ts'
import { observe } from './observe.ts'
import type { AgentOptions, AgentPorts } from './options.ts'
import { createPeerWatch } from './peer-watch.ts'
import { perform } from './perform.ts'
import { createRecorder } from './recorder.ts'

/** Between two ticks, however often something wakes the loop. */
const TICK_GAP_MS: Ms = 20
/** Hints of the store's watch that follow an own write closely are about that write. */
const ECHO_MS: Ms = 50
/** After a renewal without success: the record may be somebody else's by now. */
const DOUBT_MS: Ms = 20
const REQUESTS_MAX = 8

export function startAgent(ports: AgentPorts, options: AgentOptions): AgentHandle {
  const context = createContext(ports, options)
  const recorder = createRecorder(ports)
  const peers = createPeerWatch(context)
  const health = createHealthWatch(context)
  const lease = createLeaseKeeper(context)
  const complaints = createComplaints(context)
  let latest: { readonly view: View; readonly decision: Decision } | null = null
  let ended = false
  let wroteAt: Instant | null = null
  let resolveEnded: (end: { readonly status: number; readonly reason: string }) => void = () => undefined
  const endedPromise = new Promise<{ readonly status: number; readonly reason: string }>(resolve => {
    resolveEnded = resolve
  })

  const tick = async (): Promise<Ms> => {
    const [view] = await Promise.all([observe(context, peers, health), lease.tend()])
    complaints.about(view)
    context.notKept = await keepMemory(context, view).then(
      () => null,
      error => reasonOf(error),
    )
    const before = {
      ...view,
      notKept: context.notKept,
      memory: context.memory,
      remembered: ports.journal.read(),
    }
    const { decision, memory } = decide(before)
    context.memory = memory
    latest = { view: { ...before, memory }, decision }
    const performed: string[] = []
    let stoppedBy: string | null = null
    let wakeInMs = decision.wakeInMs
    for (const action of decision.actions) {
      // The watch may tell of it before the answer does.
      if (writesStore(action)) wroteAt = ports.clock.now()
      const outcome = await perform(context, action, latest.view)
      if (writesStore(action)) wroteAt = ports.clock.now()
      performed.push(action.kind === 'change-term' ? action.id : action.kind)
      // Stopping after any prefix leaves the cluster safe; the next tick decides again.
      if (outcome.kind === 'stopped') {
        stoppedBy = outcome.reason
        if (isRenewal(action)) wakeInMs = Math.min(wakeInMs, DOUBT_MS)
        break
      }
    }
    recorder.record(latest.view, decision, performed, stoppedBy)
    return wakeInMs
  }

  const pulse = createPulse(ports.clock)
  context.wake = pulse.wake
  let end = { status: 0, reason: 'ended' }
  context.exit = (status, reason) => {
    ended = true
    end = { status, reason }
  }
  ports.guard.onChange(pulse.wake)
  const watch = ports.store.watch(() => {
    if (wroteAt && elapsedAtMost(wroteAt, ports.clock.now()) < ECHO_MS) return
    pulse.wake()
  })

  const run = async () => {
    // A list for people; nothing waits for it.
    void ports.engine.evidence().then(
      kept => {
        context.evidence = kept
      },
      error => ports.log.warn('evidence could not be read', { reason: reasonOf(error) }),
    )
    while (!ended) {
      let wakeInMs: Ms = 1000
      try {
        wakeInMs = await tick()
      } catch (error) {
        // A bug in one tick must not end the agent: the guard's deadline holds whatever happens here.
        ports.log.error('tick failed', { reason: reasonOf(error) })
      }
      if (!ended) await pulse.wait(wakeInMs)
    }
    watch.stop()
    for (const filed of context.requests.splice(0)) filed.answer({ kind: 'refused', text: 'the agent ends' })
    await leave(context).catch(error => ports.log.warn('end of the agent', { reason: reasonOf(error) }))
    resolveEnded(end)
  }
  void run()

  return {
    latest: () => latest,
    decisions: recorder.list,
    evidence: () => context.evidence,
    request: request => file(context, request),
    wake: pulse.wake,
    end(how) {
      context.ending = how
      pulse.wake()
    },
    ended: endedPromise,
  }
}

function writesStore({ kind }: Action): boolean {
  return kind === 'change-term' || kind === 'publish'
}

function isRenewal(action: Action): boolean {
  return action.kind === 'change-term' && (action.id === 'T1' || action.id === 'T1b')
}

function file(context: Context, request: MemberRequest): Promise<RequestOutcome> {
  if (context.requests.length >= REQUESTS_MAX)
    return Promise.resolve({ kind: 'refused', text: 'too many requests are waiting' })
  return new Promise(answer => {
    context.requests.push({ request, answer })
    context.wake()
  })
}

/** The guard ends with the agent only when there is nothing left to guard. */
async function leave(context: Context): Promise<void> {
  const { guard, engine, store } = context.ports
  const status = guard.status()
  if (status && !status.status.alive && context.ending !== 'leave') await guard.quit()
  else guard.detach()
  engine.close()
  store.close()
}

interface Pulse {
  wake(): void
  /** Resolves after `ms`, or soon after a wake; never sooner than the gap between ticks. */
  wait(ms: Ms): Promise<void>
}

function createPulse(clock: AgentPorts['clock']): Pulse {
  let pending = false
  let ring: (() => void) | null = null
  return {
    wake() {
      pending = true
      ring?.()
    },
    async wait(ms) {
      const since = clock.now()
      await new Promise<void>(resolve => {
        let cancel = clock.after(pending ? Math.min(ms, TICK_GAP_MS) : ms, resolve)
        if (pending || ms <= TICK_GAP_MS) return
        ring = () => {
          ring = null
          cancel()
          cancel = clock.after(Math.max(0, TICK_GAP_MS - elapsedAtMost(since, clock.now())), resolve)
        }
      })
      ring = null
      pending = false
    },
  }
}
