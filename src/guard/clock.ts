// The machine's two clocks as this process reads them. Instants of two processes of one machine can be compared.
import { openSync, readSync } from 'node:fs'
import { uptime } from 'node:os'
import type { Instant, Ms } from '../kernel/time.ts'

/** One step asks several times. A machine may be suspended after a reading too, before it is acted upon. */
const BOOT_GOOD_FOR_MS: Ms = 1

/**
 * CLOCK_MONOTONIC and the time since boot. Both come from the kernel, not from this process's start: the guard and
 * the agent exchange them. The file of the boot clock is opened once, so that a read needs no path and no disk.
 */
export function openMachineClock(): () => Instant {
  const readBoot = openBootClock()
  let last: Instant = { mono: Number.NEGATIVE_INFINITY, boot: 0 }
  return () => {
    const mono = Number(process.hrtime.bigint()) / 1e6
    if (mono - last.mono >= BOOT_GOOD_FOR_MS) last = { mono, boot: readBoot() }
    return { mono, boot: last.boot }
  }
}

function openBootClock(): () => number {
  const buffer = Buffer.alloc(64)
  try {
    const file = openSync('/proc/uptime', 'r')
    return () => {
      const length = readSync(file, buffer, 0, buffer.length, 0)
      return Number.parseFloat(buffer.toString('latin1', 0, length)) * 1000
    }
  } catch {
    return () => uptime() * 1000
  }
}
