// The identity of one copy of the data, inside the copy.
import { join } from 'node:path'
import { readIfPresent, writeDurably } from './durable.ts'

const SEAT_FILE = 'vigil.seat'

export async function readSeat(dataDirectory: string): Promise<string | null> {
  const text = (await readIfPresent(join(dataDirectory, SEAT_FILE)))?.trim()
  return text ? text : null
}

export async function writeSeat(dataDirectory: string, seat: string): Promise<void> {
  await writeDurably(join(dataDirectory, SEAT_FILE), `${seat}\n`)
}
