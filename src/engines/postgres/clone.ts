// A copy of another member's data: complete before it takes anything's place.
import { randomBytes } from 'node:crypto'
import { access, constants, mkdir, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isVigilError, reasonOf, VigilError } from '../../kernel/errors.ts'
import type { CloneProgress, Upstream } from '../../ports/engine.ts'
import { copyFrom } from './basebackup.ts'
import { claimEmpty, moveUp } from './bootstrap.ts'
import { emptyMarked, significantNames } from './data-directory.ts'
import { errorCode, removeDurably, syncDirectory, writeDurably } from './durable.ts'
import type { PostgresHost } from './host.ts'
import { MARKER_FILE, readMarker, removeMarker, rewindMarker, writeMarker } from './marker.ts'
import { describe, identifySource } from './replication.ts'
import { writeSeat } from './seat.ts'
import { endStrayCopies } from './stray-copies.ts'
import { refuseOccupiedTablespaces } from './tablespaces.ts'

export interface CloneOrder {
  readonly source: Upstream
  readonly expected: string
  readonly slot: string | null
  readonly progress: (progress: CloneProgress) => void
}

/** @throws VigilError CLONE_FAILED or FOREIGN_SOURCE; what was there before is then as it was. */
export async function clone(host: PostgresHost, order: CloneOrder, signal: AbortSignal): Promise<void> {
  try {
    const { dataDirectory } = host.options
    await identifySource(host, order.source, order.expected, signal)
    await refuseOccupiedTablespaces(host, order.source, signal)
    const names = await significantNames(dataDirectory)
    const marker = names === null ? null : await readMarker(dataDirectory)
    if (names === null || names.length === 0 || marker?.what === 'clone')
      await cloneInPlace(host, order, signal)
    else await cloneBeside(host, order, signal)
  } catch (error) {
    if (isVigilError(error)) throw error
    throw new VigilError(
      'CLONE_FAILED',
      { source: describe(order.source), reason: reasonOf(error) },
      { cause: error },
    )
  }
}

/** Removes what copies replaced, and copies that were interrupted; only what carries the marker of that. */
export async function discardReplaced(dataDirectory: string): Promise<void> {
  const place = await realPlace(dataDirectory)
  await removeInterrupted(place)
  for (const path of await siblings(place, 'replaced')) {
    if ((await readMarker(path))?.what === 'replaced') await rm(path, { recursive: true, force: true })
  }
}

/** Nothing is there yet, perhaps not even the right to write beside it (a file system of its own). */
async function cloneInPlace(host: PostgresHost, order: CloneOrder, signal: AbortSignal): Promise<void> {
  const { dataDirectory } = host.options
  const folder = join(dataDirectory, 'vigil.new')
  await endStrayCopies(folder)
  await claimEmpty(dataDirectory, 'clone')
  try {
    await copyFrom(host, order, folder, signal)
    await prepareCopy(folder)
    await moveUp(folder, dataDirectory)
  } catch (error) {
    await emptyMarked(dataDirectory)
    throw error
  }
  await removeMarker(dataDirectory)
}

/** On the same file system, so that two renames replace the old directory. */
async function cloneBeside(host: PostgresHost, order: CloneOrder, signal: AbortSignal): Promise<void> {
  const { dataDirectory, stateDirectory } = host.options
  const place = await realPlace(dataDirectory)
  await checkReplaceable(place)
  await removeInterrupted(place)
  const workshop = `${place}.clone-${randomBytes(4).toString('hex')}`
  await mkdir(workshop, { mode: 0o700 })
  await writeMarker(workshop, { what: 'clone' })
  try {
    const folder = join(workshop, 'data')
    await copyFrom(host, order, folder, signal)
    await prepareCopy(folder)
    const replaced = `${place}.replaced-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}`
    await rename(place, replaced)
    try {
      await rename(folder, place)
    } catch (error) {
      await rename(replaced, place)
      throw error
    }
    await syncDirectory(dirname(place))
    await writeMarker(replaced, { what: 'replaced' })
    await rewindMarker(stateDirectory, dataDirectory).remove()
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

/** A copy is a seat of its own, starts as a standby, and has no part in what its source was in the middle of. */
async function prepareCopy(folder: string): Promise<void> {
  for (const name of [MARKER_FILE, 'recovery.signal', 'promote'])
    await rm(join(folder, name), { force: true })
  await writeDurably(join(folder, 'standby.signal'), '')
  await writeSeat(folder, randomBytes(8).toString('hex'))
  await removeDurably(join(folder, 'backup_manifest'))
}

/** Through links: the sibling must lie on the file system that holds the data. */
async function realPlace(dataDirectory: string): Promise<string> {
  return realpath(dataDirectory)
}

async function checkReplaceable(place: string): Promise<void> {
  const parent = dirname(place)
  const advice = `Move its content away by hand, then it is copied into the empty directory`
  if (await isMountPoint(place))
    throw new Error(`${place} is a mount point, so a new copy can't take its place. ${advice}`)
  await access(parent, constants.W_OK).catch(() => {
    throw new Error(`${parent} is not writable, so a new copy can't be made beside ${place}. ${advice}`)
  })
}

async function isMountPoint(path: string): Promise<boolean> {
  const [own, parent] = await Promise.all([stat(path), stat(dirname(path))])
  if (own.dev !== parent.dev) return true
  // A bind mount within one file system shows only here.
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '')
  return table.split('\n').some(line => unescapeOctal(line.split(' ')[4] ?? '') === path)
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

async function removeInterrupted(place: string): Promise<void> {
  await endStrayCopies(`${place}.clone-`)
  for (const path of await siblings(place, 'clone')) {
    if ((await readMarker(path))?.what === 'clone') await rm(path, { recursive: true, force: true })
  }
}

async function siblings(place: string, kind: 'clone' | 'replaced'): Promise<readonly string[]> {
  const prefix = `${basename(place)}.${kind}-`
  try {
    const names = await readdir(dirname(place))
    return names.filter(name => name.startsWith(prefix)).map(name => join(dirname(place), name))
  } catch (error) {
    if (errorCode(error) === 'EACCES') return []
    throw error
  }
}
