// Records as lines of JSON: each is in the kernel's hands before the next statement is sent.
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'

export interface Lines<T> {
  write(record: T): void
  close(): void
}

export function openLines<T>(file: string): Lines<T> {
  const target = openSync(file, 'a')
  return {
    write: record => {
      writeSync(target, `${JSON.stringify(record)}\n`)
    },
    close: () => closeSync(target),
  }
}

/** All whole lines of a file, none when it does not exist. */
export function readLines<T>(file: string): readonly T[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  // The last one is empty, or was being written when the client was killed.
  return lines.slice(0, -1).map(line => JSON.parse(line) as T)
}
