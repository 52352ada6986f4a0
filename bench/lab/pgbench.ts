// pgbench on the client's host.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { databaseUser, giveTo } from '../../test/lab/database-user.ts'
import type { Host } from '../../test/lab/host.ts'
import { SUPERUSER } from '../../test/lab/member.ts'
import { newestPostgres } from '../../test/lab/postgres-programs.ts'

export interface Load {
  readonly clients: number
  readonly seconds: number
}

export function fillTables(client: Host, server: Host, scale: number): Promise<string> {
  return pgbench(client, server, ['-i', '-q', '-s', String(scale)])
}

/** Transactions a second. @throws when pgbench does not say. */
export async function measure(client: Host, server: Host, { clients, seconds }: Load): Promise<number> {
  // Both servers begin each measurement alike: nothing to vacuum, a checkpoint just done.
  await pgbench(client, server, [
    '-c',
    '1',
    '-t',
    '1',
    '-f',
    statementFile(client, 'VACUUM pgbench_branches, pgbench_tellers'),
    '-n',
  ])
  await pgbench(client, server, ['-c', '1', '-t', '1', '-f', statementFile(client, 'CHECKPOINT'), '-n'])
  const said = await pgbench(client, server, [
    '-n',
    '-M',
    'prepared',
    '-c',
    String(clients),
    '-j',
    '2',
    '-T',
    String(seconds),
  ])
  const rate = /^tps = ([\d.]+)/m.exec(said)?.[1]
  if (rate === undefined || /aborted/.test(said))
    throw new Error(`pgbench did not come to an end: ${said.slice(-500)}`)
  return Number(rate)
}

let runs = 0

async function pgbench(client: Host, server: Host, args: readonly string[]): Promise<string> {
  runs += 1
  const passfile = join(client.directory, 'pgpass')
  writeFileSync(passfile, `*:*:*:${SUPERUSER.user}:${SUPERUSER.password}\n`, { mode: 0o600 })
  giveTo(databaseUser(), passfile)
  const target = [
    '-h',
    server.address,
    '-p',
    String(server.port('postgres')),
    '-U',
    SUPERUSER.user,
    'postgres',
  ]
  const launched = client.launch(`pgbench-${runs}`, [join(newestPostgres(), 'pgbench'), ...args, ...target], {
    environment: { PGPASSFILE: passfile },
  })
  const ended = await launched.ended
  const said = readFileSync(launched.logFile, 'utf8')
  if (ended !== 'exit code 0') throw new Error(`pgbench: ${ended}; ${said.slice(-500)}`)
  return said
}

function statementFile(client: Host, sql: string): string {
  const file = join(client.directory, 'statement.sql')
  writeFileSync(file, `${sql};\n`)
  giveTo(databaseUser(), file)
  return file
}
