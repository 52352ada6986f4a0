// Decisions that outlive the agent: the last lines, in two files that take turns.
import { appendFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'

const BYTES_MAX = 4 * 1024 * 1024

/** A line that can't be written is lost: the record of decisions must never stand in the way of a decision. */
export function openDecisionFile(directory: string): (line: string) => void {
  const file = join(directory, 'decisions.jsonl')
  let writing = Promise.resolve()
  return line => {
    writing = writing
      .then(async () => {
        const size = await stat(file).then(
          found => found.size,
          () => 0,
        )
        if (size > BYTES_MAX) await rename(file, `${file}.1`)
        await appendFile(file, `${line}\n`, { mode: 0o600 })
      })
      .catch(() => undefined)
  }
}
