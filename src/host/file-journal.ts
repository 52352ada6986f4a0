// The member's memory on disk, in the state directory (protocol A3).
import { randomBytes } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { freshMemory, type MemberMemory } from '../core/member-memory.ts'
import { isVigilError, VigilError } from '../kernel/errors.ts'
import { formatLsn, type Lsn, parseLsn } from '../kernel/lsn.ts'
import type { Journal } from '../ports/journal.ts'

const FILE = 'member.json'

const lsnText = z.string().transform((text, context): Lsn => {
  const parsed = parseLsn(text)
  if (parsed !== null) return parsed
  context.addIssue({ code: 'custom', message: 'not a position in the WAL' })
  return z.NEVER
})

const Stored = z.object({
  install: z.string().min(1),
  machine: z.string(),
  storeCluster: z.string().nullable(),
  storeSeed: z.string().nullable().default(null),
  termMax: z.int().nonnegative(),
  revisionMax: z.string().regex(/^\d+$/).transform(BigInt),
  rulesVersionMax: z.int().nonnegative(),
  floor: z.int().nonnegative(),
  promise: z
    .object({
      term: z.int().nonnegative(),
      base: z.string().regex(/^\d+$/).transform(BigInt),
      candidate: z.string(),
      cluster: z.string(),
    })
    .nullable()
    .default(null),
  servedTerm: z.int().nullable(),
  promotions: z.array(z.object({ term: z.int(), timeline: z.int(), lsn: lsnText })),
  signalExpected: z.boolean().default(false),
  seat: z.string().nullable(),
  seatState: z.enum(['ready', 'incomplete', 'diverged']),
  reported: z.object({ timeline: z.int(), lsn: lsnText }).nullable(),
})

/**
 * @param machine identity of this machine; a state directory that was copied to another one is refused
 * @throws VigilError STATE_DIRECTORY, also when the file is damaged: guessing what it said could cost a commit
 */
export async function openJournal(directory: string, machine: string): Promise<Journal> {
  try {
    return await openIn(directory, machine)
  } catch (cause) {
    if (isVigilError(cause) || !(cause instanceof Error)) throw cause
    throw new VigilError('STATE_DIRECTORY', { directory, reason: cause.message }, { cause })
  }
}

async function openIn(directory: string, machine: string): Promise<Journal> {
  const file = join(directory, FILE)
  let memory = (await load(directory, file)) ?? freshMemory(randomBytes(8).toString('hex'), machine)
  // A cloned machine has our state and is not us: it begins as somebody new, without a right to lead.
  if (memory.machine !== machine) memory = freshMemory(randomBytes(8).toString('hex'), machine)
  await store(directory, memory)
  let writing = Promise.resolve()
  return {
    read: () => memory,
    write(change) {
      const next = writing.then(async () => {
        const changed = { ...memory, ...change }
        await store(directory, changed)
        memory = changed
      })
      writing = next.catch(() => undefined)
      return next
    },
  }
}

async function load(directory: string, file: string): Promise<MemberMemory | null> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    return Stored.parse(JSON.parse(text))
  } catch (cause) {
    const reason = `${FILE} is damaged, and what it said decides whether this member may lead. Nothing was changed. Bring it back from a backup; or move it away: the member then joins as a new one, which the leader must admit first, so not while no other member leads`
    throw new VigilError('STATE_DIRECTORY', { directory, reason }, { cause })
  }
}

/** Temporary file, fsync, rename, fsync of the folder: after the return it survives a power cut. */
async function store(directory: string, memory: MemberMemory): Promise<void> {
  const temporary = join(directory, `${FILE}.new`)
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify(encode(memory), null, 1)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, join(directory, FILE))
  const folder = await open(directory, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function encode(memory: MemberMemory) {
  return {
    ...memory,
    revisionMax: memory.revisionMax.toString(),
    promise: memory.promise && { ...memory.promise, base: memory.promise.base.toString() },
    promotions: memory.promotions.map(p => ({ ...p, lsn: formatLsn(p.lsn) })),
    reported: memory.reported && { ...memory.reported, lsn: formatLsn(memory.reported.lsn) },
  }
}
