// Virtual time: one queue of events. Between two events every promise that can go on has gone on.

/** Milliseconds of true time since the beginning of the run. */
export type TrueTime = number

export interface Event {
  readonly time: TrueTime
  readonly sequence: number
  /** null: cancelled. */
  run: (() => void) | null
}

export interface Scheduler {
  now(): TrueTime
  /** Runs `event` after `ms` of true time; at the earliest when the current one has ended. */
  after(ms: number, event: () => void): Event
  /** Runs events in order of time until `finished` says so, checked before each, or nothing is left to do. */
  run(finished: () => boolean): Promise<void>
  /** How many have run. */
  count(): number
}

/** Microtasks are drained between two immediates of one round, so a round costs one turn of the event loop. */
const EVENTS_PER_ROUND = 64

export function createScheduler(onError: (error: unknown) => void): Scheduler {
  const heap: Event[] = []
  let time: TrueTime = 0
  let sequence = 0
  let events = 0

  const runNext = () => {
    const event = pop(heap)
    if (!event?.run) return
    time = event.time
    events++
    try {
      event.run()
    } catch (error) {
      onError(error)
    }
  }
  return {
    now: () => time,
    count: () => events,
    after: (ms, run) => {
      const event = { time: time + Math.max(0, ms), sequence: sequence++, run }
      push(heap, event)
      return event
    },
    run: finished =>
      new Promise(resolve => {
        let over = false
        let pending = 0
        const turn = () => {
          pending--
          if (!over && (heap.length === 0 || finished())) {
            over = true
            resolve()
          }
          if (over) return
          runNext()
          if (pending === 0) round()
        }
        const round = () => {
          pending = EVENTS_PER_ROUND
          for (let index = 0; index < EVENTS_PER_ROUND; index++) setImmediate(turn)
        }
        round()
      }),
  }
}

function before(a: Event, b: Event): boolean {
  return a.time < b.time || (a.time === b.time && a.sequence < b.sequence)
}

function push(heap: Event[], event: Event): void {
  let index = heap.length
  heap.push(event)
  while (index > 0) {
    const parent = (index - 1) >> 1
    if (!before(event, heap[parent]!)) break
    heap[index] = heap[parent]!
    index = parent
  }
  heap[index] = event
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (first === undefined || last === undefined || heap.length === 0) return first
  let index = 0
  for (;;) {
    const left = 2 * index + 1
    if (left >= heap.length) break
    const right = left + 1
    const child = right < heap.length && before(heap[right]!, heap[left]!) ? right : left
    if (!before(heap[child]!, last)) break
    heap[index] = heap[child]!
    index = child
  }
  heap[index] = last
  return first
}
