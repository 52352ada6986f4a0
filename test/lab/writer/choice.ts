// Which server a client writes to: the first in its list that accepts writes, and a wait until there is one.
import type { ServerAddress } from '../sql.ts'
import type { Watch } from './watch.ts'

export interface Changes {
  readonly announce: () => void
  /** Resolves at the next change, or when the client is to end (false). */
  readonly next: () => Promise<boolean>
}

export function changes(stop: AbortSignal): Changes {
  let waiting: ((goOn: boolean) => void)[] = []
  const release = (goOn: boolean) => {
    const released = waiting
    waiting = []
    for (const resolve of released) resolve(goOn)
  }
  stop.addEventListener('abort', () => release(false))
  return {
    announce: () => release(true),
    next: () => (stop.aborted ? Promise.resolve(false) : new Promise(resolve => waiting.push(resolve))),
  }
}

/** The first in the list that accepts writes, as libpq would take it. */
export async function chooseFrom(watches: readonly Watch[], change: Changes): Promise<ServerAddress | null> {
  for (;;) {
    const open = watches.find(watch => watch.writableOn() !== null)
    if (open) return open.server
    if (!(await change.next())) return null
  }
}
