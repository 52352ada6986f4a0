// A member's memory on its disk. A write that the process did not live to see the end of may have happened or not.

import type { Journal } from '../src/ports/journal.ts'
import type { Process } from './process.ts'
import type { Host, World } from './world.ts'

export function openJournal(world: World, host: Host, process: Process): Journal {
  return {
    read: () => host.memory,
    write: change =>
      new Promise(resolve => {
        const ms = world.random.between(0.3, 3) + host.diskDelayMs()
        const reachesDisk = world.random.chance(0.5)
        world.scheduler.after(ms, () => {
          if (process.alive() || reachesDisk) host.memory = { ...host.memory, ...change }
          process.deliver(resolve)
        })
      }),
  }
}
