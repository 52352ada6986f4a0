// Where PostgreSQL's programs are: the configured directory, or the installed version that the data belongs to.
import { access, constants, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { VigilError } from '../../kernel/errors.ts'

export type ProgramName =
  | 'initdb'
  | 'postgres'
  | 'pg_controldata'
  | 'pg_basebackup'
  | 'pg_rewind'
  | 'pg_waldump'

export interface ProgramSources {
  readonly binDirectory: string | null
  readonly programNames?: Readonly<Record<string, string>> | undefined
  readonly dataDirectory: string
  readonly path: string | undefined
}

/** @throws VigilError BINARIES_NOT_FOUND */
export async function findProgram(name: ProgramName, sources: ProgramSources): Promise<string> {
  const file = sources.programNames?.[name] ?? name
  if (file.startsWith('/')) {
    if (await isExecutable(file)) return file
    throw new VigilError('BINARIES_NOT_FOUND', { program: name, directory: file })
  }
  const version = await dataVersion(sources.dataDirectory)
  const directories = sources.binDirectory
    ? [sources.binDirectory]
    : [...(await installedDirectories(version)), ...pathDirectories(sources.path)]
  for (const directory of directories) {
    const path = join(directory, file)
    if (await isExecutable(path)) return path
  }
  const wanted = version === null ? '' : ` (version ${version}, which the data directory needs)`
  throw new VigilError('BINARIES_NOT_FOUND', {
    program: name,
    directory: sources.binDirectory ?? `the usual places${wanted}`,
  })
}

/** Major version that the data was made with; null when there is no data. */
export async function dataVersion(dataDirectory: string): Promise<number | null> {
  try {
    const version = Number.parseInt(await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8'), 10)
    return Number.isInteger(version) ? version : null
  } catch {
    return null
  }
}

/** Debian's and Red Hat's layouts; without data the newest version comes first. */
async function installedDirectories(version: number | null): Promise<readonly string[]> {
  const found: { readonly version: number; readonly directory: string }[] = []
  for (const [parent, pattern] of [
    ['/usr/lib/postgresql', /^(\d+)$/],
    ['/usr', /^pgsql-(\d+)$/],
  ] as const) {
    for (const name of await namesIn(parent)) {
      const match = pattern.exec(name)
      if (match) found.push({ version: Number(match[1]), directory: join(parent, name, 'bin') })
    }
  }
  return found
    .filter(entry => version === null || entry.version === version)
    .sort((a, b) => b.version - a.version)
    .map(entry => entry.directory)
}

/** Programs on the PATH have one unknown version: good enough only when nothing better is installed. */
function pathDirectories(path: string | undefined): readonly string[] {
  return (path ?? '').split(':').filter(directory => directory.startsWith('/'))
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory)
  } catch {
    return []
  }
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
