// A time limit as the signal that real code expects, without the cost of one: nothing is timed while nobody listens.

type Listener = () => void

/** `expired` by the process's own clock; `after` calls back when that clock has got there, and can be cancelled. */
export function limitSignal(expired: () => boolean, after: (callback: Listener) => Listener): AbortSignal {
  const listeners = new Set<Listener>()
  let cancel: Listener | null = null
  let fired = false
  const fire = () => {
    fired = true
    cancel = null
    const waiting = [...listeners]
    listeners.clear()
    for (const listener of waiting) listener()
  }
  const signal = {
    get aborted() {
      return fired || expired()
    },
    addEventListener: (_type: 'abort', listener: Listener) => {
      if (fired) return
      listeners.add(listener)
      cancel ??= after(fire)
    },
    removeEventListener: (_type: 'abort', listener: Listener) => {
      listeners.delete(listener)
      if (listeners.size > 0) return
      cancel?.()
      cancel = null
    },
  }
  // The members that the simulated ports use; the agent itself only passes it on.
  return signal as unknown as AbortSignal
}
