// What the guard sees by itself: a promotion by hand, an instance that something else started, its end, orphans.
import { readLockFile, resolveDirectory, standbySignalPresent } from './data-files.ts'
import type { Hands } from './hands.ts'
import type { WatchedInstance } from './instance.ts'
import type { GuardLoop } from './loop.ts'

export interface LookoutOptions {
  readonly dataDirectory: string
  readonly loop: GuardLoop
  readonly hands: Hands
  readonly instance: WatchedInstance
}

export interface Lookout {
  /** At the start: what was there before us. `abandoned`: under another guard, which is gone. */
  takeCharge(abandoned: boolean): Promise<void>
  /** Each tick, cheap: the end of a postmaster that is nobody's child here. */
  tick(): void
  /** Each second, in the background, one at a time: a look that hangs in a slow disk holds nothing up. */
  look(): Promise<void>
}

export function createLookout({ dataDirectory, loop, hands, instance }: LookoutOptions): Lookout {
  async function findStranger(abandoned: boolean): Promise<void> {
    const lock = await readLockFile(dataDirectory)
    if (!lock) return
    const directory = await resolveDirectory(dataDirectory)
    const { alive, postmaster, pending } = loop.state
    if (alive || postmaster !== null || pending) return
    instance.locate(directory)
    if (instance.isStranger(lock.pid)) hands.adopt(lock.pid, abandoned)
  }

  async function lookForPromotion(): Promise<void> {
    const { run } = hands
    const present = await standbySignalPresent(dataDirectory)
    // An answer about an earlier run, or none: it says nothing about this one.
    if (present !== null && run === hands.run) loop.feed({ kind: 'signal-file', present })
  }

  return {
    async takeCharge(abandoned) {
      instance.locate(await resolveDirectory(dataDirectory))
      await findStranger(abandoned)
      if (instance.orphaned()) loop.feed({ kind: 'processes', alive: true })
    },
    tick() {
      if (!instance.adoptedGone()) return
      instance.forget()
      loop.feed({ kind: 'postmaster-exited', code: null, signal: null, output: '' })
    },
    async look() {
      instance.rememberChildren()
      if (loop.state.alive) await lookForPromotion()
      else await findStranger(false)
    },
  }
}
