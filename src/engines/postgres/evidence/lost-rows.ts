// The rows themselves: read from the running copy, which is a standby that nobody streams to, before it is stopped.
import { reasonOf } from '../../../kernel/errors.ts'
import type { Row, Target } from '../connection.ts'
import { withConnection } from '../connection.ts'
import * as sql from '../sql.ts'
import type { LimitedFile } from './limited-file.ts'
import type { LostTransactions } from './lost-transactions.ts'

export interface LostRows {
  readonly count: number
  /** What could not be read, for people. */
  readonly leftOut: readonly string[]
  /** Names of relations, by `tablespace/database/file`. */
  readonly names: ReadonlyMap<string, string>
}

/** So many blocks are read at a time: their rows are held in memory. */
const BLOCKS_AT_ONCE = 32
/** Enough to see what is wrong. */
const LEFT_OUT_MAX = 100
const STATEMENT_LIMIT_MS = 20_000

interface Relation {
  readonly file: string
  readonly tablespace: string
  readonly blocks: readonly number[]
}

/** A row's last version here, of transactions that the cluster has not. Deleted ones are only in the list of records. */
export async function readLostRows(
  target: Target,
  lost: LostTransactions,
  rows: LimitedFile,
  signal: AbortSignal,
): Promise<LostRows> {
  const names = new Map<string, string>()
  const leftOut: string[] = []
  let count = 0
  for (const [database, relations] of byDatabase(lost.blocks)) {
    try {
      count += await readDatabase({ target, lost, rows, names, leftOut, signal }, database, relations)
    } catch (error) {
      leftOut.push(`rows of the database with oid ${database}: ${reasonOf(error)}`)
    }
  }
  if (rows.stopped() !== null) leftOut.push(`${rows.refused()} or more rows: ${rows.stopped()}`)
  return { count, leftOut, names }
}

interface Reading {
  readonly target: Target
  readonly lost: LostTransactions
  readonly rows: LimitedFile
  readonly names: Map<string, string>
  readonly leftOut: string[]
  readonly signal: AbortSignal
}

async function readDatabase(
  { target, lost, rows, names, leftOut, signal }: Reading,
  database: string,
  relations: readonly Relation[],
): Promise<number> {
  const [known] = await withConnection(target, signal, query => query(sql.DATABASE_NAME, [database]))
  const name = known?.['datname']
  // Shared catalogs are in database 0.
  if (!name) return 0
  const limits = {
    statementTimeoutMs: STATEMENT_LIMIT_MS,
    parameters: { default_transaction_read_only: 'on' },
  }
  return withConnection({ ...target, database: name, ...limits }, signal, async query => {
    let count = 0
    for (const { tablespace, file, blocks } of relations) {
      const [found] = await query(sql.RELATION_OF_FILE, [tablespace, file])
      const table = found?.['name']
      if (table) names.set(`${tablespace}/${database}/${file}`, `${name}: ${table}`)
      if (!table) leftOut.push(`rows of file ${file} in ${name}: it belongs to no table any more`)
      if (!table || found['readable'] !== 'true') continue
      try {
        for (let at = 0; at < blocks.length && rows.stopped() === null; at += BLOCKS_AT_ONCE) {
          const chunk = blocks.slice(at, at + BLOCKS_AT_ONCE)
          const read = await query(sql.lostRows(table), [
            `{${chunk.join(',')}}`,
            `{${[...lost.ids].join(',')}}`,
          ])
          for (const row of read) {
            if (row['content'] === null && leftOut.length < LEFT_OUT_MAX)
              leftOut.push(`a row of more than 1 MiB, ${row['tid']} of ${table} in ${name}`)
            else if (await rows.add(lineOf(name, table, row))) count += 1
          }
        }
      } catch (error) {
        leftOut.push(`rows of ${table} in ${name}: ${reasonOf(error)}`)
      }
    }
    return count
  })
}

/** Without the brackets that JSON.stringify would put around the server's own JSON. */
function lineOf(database: string, table: string, row: Row): string {
  const about = JSON.stringify({ database, table, transaction: row['transaction'], tid: row['tid'] })
  return `${about.slice(0, -1)},"row":${row['content'] ?? 'null'}}`
}

function byDatabase(blocks: LostTransactions['blocks']): ReadonlyMap<string, readonly Relation[]> {
  const found = new Map<string, Relation[]>()
  for (const [relation, of] of blocks) {
    const [tablespace = '', database = '', file = ''] = relation.split('/')
    const entry = { tablespace, file, blocks: [...of].sort((a, b) => a - b) }
    found.set(database, [...(found.get(database) ?? []), entry])
  }
  return found
}
