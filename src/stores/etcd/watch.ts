// A watch that only wakes somebody up. It opens itself again, and notices a server that has fallen silent.
import type { Ms } from '../../kernel/time.ts'
import type { KeyValueEntry } from '../../ports/store.ts'
import { prefixRange, watchLine } from './answers.ts'
import type { Client, Stream } from './client.ts'
import type { Timing } from './transport.ts'

export interface Watch {
  /** Somebody read these entries: the watch should have shown, or show soon, those below its prefix. */
  noticed(entries: readonly KeyValueEntry[]): void
  stop(): void
}

const REOPEN_MS: Ms = 500
/** How long a change that we know of may stay unreported. */
const SILENCE_MS: Ms = 1_000

export interface WatchOptions {
  readonly prefix: string
  readonly openLimitMs: Ms
  readonly changed: () => void
}

export function openWatch(client: Client, options: WatchOptions, timing: Timing): Watch {
  const { prefix, changed } = options
  let stopped = false
  let stream: Stream | null = null
  /** Highest revision that this watch has shown; null while it is not established. */
  let shown: bigint | null = null
  let known = 0n
  let cancelTimer = () => {}
  let cancelSilence: (() => void) | null = null

  const wait = (ms: Ms, action: () => void) => {
    cancelTimer()
    cancelTimer = timing.after(ms, action)
  }

  const open = (): void => {
    shown = null
    // No start revision: it could be compacted. Whoever is woken at the start reads everything anyway.
    const body = { create_request: prefixRange(prefix) }
    const current = client.stream('/v3/watch', body, {
      line: onLine,
      ended: () => again(shown === null),
    })
    stream = current
    wait(options.openLimitMs, () => again(true))
  }

  const again = (blame: boolean): void => {
    if (stopped) return
    if (blame) stream?.blame()
    stream?.stop()
    stream = null
    shown = null
    wait(REOPEN_MS, open)
  }

  const onLine = (text: string): void => {
    const { result, trouble } = watchLine(text)
    // No result: an error (no leader, no permission), or not etcd. Cancelled: compacted, or no permission.
    if (result === null || result.canceled) {
      again(trouble)
      return
    }
    if (result.created) cancelTimer()
    if (shown === null || result.header.revision > shown) shown = result.header.revision
    if (result.created || result.events.length > 0) changed()
  }

  const checkSilence = (): void => {
    cancelSilence = null
    if (shown !== null && shown < known) again(false)
  }

  open()
  return {
    noticed(entries) {
      for (const { key, modRevision } of entries) {
        if (key.startsWith(prefix) && modRevision > known) known = modRevision
      }
      if (stopped || shown === null || shown >= known || cancelSilence) return
      cancelSilence = timing.after(SILENCE_MS, checkSilence)
    },
    stop() {
      stopped = true
      cancelTimer()
      cancelSilence?.()
      stream?.stop()
    },
  }
}
