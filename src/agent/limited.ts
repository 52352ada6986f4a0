// A wait that leaves the process, under a limit that ends with it: what is answered leaves no timer behind.
import type { Ms } from '../kernel/time.ts'
import type { Clock } from '../ports/clock.ts'

export async function limited<T>(clock: Clock, ms: Ms, use: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const cancel = clock.after(ms, () => controller.abort(new Error(`no answer within ${ms} ms`)))
  try {
    return await use(controller.signal)
  } finally {
    cancel()
  }
}
