// What a writing client saw, as lines that survive it: one JSON object each, times in nanoseconds of CLOCK_MONOTONIC.
import { closeSync, existsSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import type { ServerAddress } from './sql.ts'

/** `address:port` of a server. */
export type ServerName = string

/** The client was told that its row is committed. */
export interface Acknowledged {
  readonly kind: 'acknowledged'
  readonly client: number
  readonly sequence: number
  /** When the statement was handed to the socket, and when the answer had arrived. */
  readonly sentNs: number
  readonly atNs: number
  readonly server: ServerName
  readonly timeline: number
  /** A WAL position after the row's insertion and before its commit record. */
  readonly insertedAt: string
}

/** `refused`: the server said no, so the row must not exist. `unknown`: it may or may not. `broken`: an idle session ended. */
export interface Failed {
  readonly kind: 'refused' | 'unknown' | 'broken'
  readonly client: number
  /** -1 when no statement was under way. */
  readonly sequence: number
  readonly atNs: number
  readonly server: ServerName
  readonly reason: string
}

/** A session reached a server that accepts writes. */
export interface Connected {
  readonly kind: 'connected'
  readonly client: number
  readonly atNs: number
  readonly server: ServerName
  readonly timeline: number
}

export type Entry = Acknowledged | Failed | Connected

export interface Recorder {
  write(entry: Entry): void
  close(): void
}

/** Clients from this number on keep to one server each; those below go wherever writes are accepted. */
export const FIRST_PINNED_CLIENT = 1000

export function serverName({ host, port }: ServerAddress): ServerName {
  return `${host}:${port}`
}

/** Each entry is in the kernel's hands before the next statement is sent: a killed client loses none. */
export function openRecorder(file: string): Recorder {
  const target = openSync(file, 'a')
  return {
    write: entry => {
      writeSync(target, `${JSON.stringify(entry)}\n`)
    },
    close: () => closeSync(target),
  }
}

/** Returns a function that gives all whole lines so far; each look reads only what was added. */
export function openRecordReader(file: string): () => readonly Entry[] {
  const entries: Entry[] = []
  let position = 0
  let rest = ''
  return () => {
    if (!existsSync(file)) return entries
    const source = openSync(file, 'r')
    try {
      const added = Buffer.alloc(fstatSync(source).size - position)
      position += readSync(source, added, 0, added.length, position)
      const lines = (rest + added.toString()).split('\n')
      // A line that is being written is left for the next look.
      rest = lines.pop()!
      for (const line of lines) entries.push(JSON.parse(line) as Entry)
    } finally {
      closeSync(source)
    }
    return entries
  }
}
