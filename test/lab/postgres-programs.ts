// Where this machine's newest PostgreSQL is.
import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const DEBIAN = '/usr/lib/postgresql'
const NEEDED = ['postgres', 'initdb', 'pg_basebackup', 'pg_rewind', 'pg_controldata']

/** @throws when no complete installation is found. */
export function newestPostgres(): string {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).filter(name => /^\d+$/.test(name)) : []
  const debian = versions.sort((a, b) => Number(b) - Number(a)).map(version => join(DEBIAN, version, 'bin'))
  const candidates = [...debian, ...(process.env.PATH ?? '').split(delimiter)]
  const found = candidates.find(directory => NEEDED.every(program => existsSync(join(directory, program))))
  if (!found) throw new Error(`no directory has all of ${NEEDED.join(', ')}: install PostgreSQL`)
  return found
}
