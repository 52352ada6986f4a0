// What lies in the data directory, and removing what is ours.
import { lstat, readdir, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isVigilError, reasonOf, VigilError } from '../../kernel/errors.ts'
import type { DataDirectory } from '../../ports/engine.ts'
import type { ControlReader } from './control-data.ts'
import { isMissing, syncDirectory } from './durable.ts'
import type { PostgresHost } from './host.ts'
import { MARKER_FILE, readMarker, rewindMarker } from './marker.ts'

export async function inspectDataDirectory(
  host: PostgresHost,
  control: ControlReader,
  signal: AbortSignal,
): Promise<DataDirectory> {
  const { dataDirectory, stateDirectory } = host.options
  try {
    const names = await significantNames(dataDirectory)
    if (names === null || names.length === 0) return { kind: 'empty' }
    const marker = await readMarker(dataDirectory)
    if (marker?.what === 'clone') return { kind: 'empty' }
    if (marker?.what === 'bootstrap') return { kind: 'unfinished', what: 'bootstrap' }
    if (await rewindMarker(stateDirectory, dataDirectory).present())
      return { kind: 'unfinished', what: 'rewind' }
    if (!names.includes('PG_VERSION'))
      return { kind: 'unreadable', reason: 'it is not empty and is not a data directory of PostgreSQL' }
    return { kind: 'present', control: await control.readWithEnd(signal) }
  } catch (error) {
    if (isVigilError(error, 'BINARIES_NOT_FOUND') || signal.aborted) throw error
    const reason = isVigilError(error, 'DATA_DIRECTORY') ? String(error.details['reason']) : reasonOf(error)
    return { kind: 'unreadable', reason }
  }
}

/** Names that count: a file system of its own has `lost+found`. null: no such directory. */
export async function significantNames(directory: string): Promise<readonly string[] | null> {
  try {
    return (await readdir(directory)).filter(name => name !== 'lost+found')
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** Empties a directory that our marker says was never served. @throws VigilError DATA_DIRECTORY for any other. */
export async function removeUnfinished(dataDirectory: string): Promise<void> {
  const names = await significantNames(dataDirectory)
  if (names === null || names.length === 0) return
  const marker = await readMarker(dataDirectory)
  if (marker?.what !== 'bootstrap' && marker?.what !== 'clone') {
    throw new VigilError('DATA_DIRECTORY', {
      directory: dataDirectory,
      reason: 'it carries no marker of an unfinished bootstrap or clone, so it is not removed',
    })
  }
  await emptyMarked(dataDirectory)
}

/** The marker goes last: until then everything else is known to be ours. */
export async function emptyMarked(directory: string): Promise<void> {
  await emptyLinkedWal(join(directory, 'pg_wal'))
  for (const name of (await significantNames(directory)) ?? []) {
    if (name !== MARKER_FILE) await rm(join(directory, name), { recursive: true, force: true })
  }
  await syncDirectory(directory)
  await rm(join(directory, MARKER_FILE), { force: true })
  await syncDirectory(directory)
}

/** `initdb --waldir` puts the WAL elsewhere; what it left there would stop the next attempt. */
async function emptyLinkedWal(path: string): Promise<void> {
  try {
    if (!(await lstat(path)).isSymbolicLink()) return
    const target = await realpath(path)
    for (const name of (await significantNames(target)) ?? []) {
      await rm(join(target, name), { recursive: true, force: true })
    }
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}
