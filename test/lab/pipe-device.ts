// A named pipe that stands in for a device: whoever writes to it is heard, with the time at which it was.
import { execFileSync } from 'node:child_process'
import { chownSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import type { DatabaseUser } from './database-user.ts'

export interface PipeDevice {
  /** What was written, byte by byte, and when: CLOCK_MONOTONIC, milliseconds. */
  readonly heard: readonly { readonly byte: string; readonly at: number }[]
  close(): void
}

export function openPipeDevice(path: string, user: DatabaseUser): PipeDevice {
  execFileSync('mkfifo', ['-m', '600', path])
  chownSync(path, user.uid, user.gid)
  // For reading and writing: it is never without a reader, and never at its end.
  const file = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const heard: { byte: string; at: number }[] = []
  const stream = new Socket({ fd: file, readable: true, writable: false })
  stream.on('data', chunk => {
    const at = Number(process.hrtime.bigint()) / 1e6
    heard.push(...[...chunk.toString('latin1')].map(byte => ({ byte, at })))
  })
  stream.on('error', () => {})
  return { heard, close: () => stream.destroy() }
}
