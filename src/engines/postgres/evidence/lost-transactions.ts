// What pg_waldump prints, read into the transactions that committed behind the fork.
import { type Lsn, parseLsn } from '../../../kernel/lsn.ts'

export interface LostTransaction {
  readonly id: string
  /** As pg_waldump prints it, in UTC. */
  readonly committedAt: string
  readonly lsn: string
  /** How often what was done to which relation: `INSERT 1663/5/16384`. */
  readonly operations: ReadonlyMap<string, number>
}

export interface LostTransactions {
  /** In order of their commits; no more than are kept. */
  readonly list: readonly LostTransaction[]
  readonly commits: number
  /** Own and of subtransactions, of those that committed. */
  readonly ids: ReadonlySet<string>
  /** Blocks that they wrote rows to, by relation `tablespace/database/file`. */
  readonly blocks: ReadonlyMap<string, ReadonlySet<number>>
  /** Begin of the last record. */
  readonly last: Lsn | null
  /** More was found than is kept in memory. */
  readonly cut: boolean
}

const LISTED_MAX = 20_000
const OPEN_MAX = 50_000
const IDS_MAX = 500_000
const BLOCKS_MAX = 200_000
const KINDS_MAX = 50

interface Open {
  readonly operations: Map<string, number>
  readonly blocks: Map<string, Set<number>>
  /** Something else than a message of vigil's own. */
  counts: boolean
}

/**
 * `fork` of the range that the lines are from: what lies before it belongs only to transactions that commit behind it.
 */
export function readTransactions() {
  const open = new Map<string, Open>()
  const list: LostTransaction[] = []
  const ids = new Set<string>()
  const blocks = new Map<string, Set<number>>()
  let blockCount = 0
  let commits = 0
  let last: Lsn | null = null
  let cut = false

  const openOf = (id: string): Open | null => {
    const found = open.get(id)
    if (found) return found
    if (open.size >= OPEN_MAX) {
      cut = true
      return null
    }
    const made: Open = { operations: new Map(), blocks: new Map(), counts: false }
    open.set(id, made)
    return made
  }
  const note = (id: string, record: WalRecord) => {
    const transaction = openOf(id)
    if (!transaction) return
    if (record.manager === 'LogicalMessage' && / prefix "vigil";/.test(record.description)) return
    transaction.counts = true
    const operation = operationOf(record)
    if (!operation) return
    const { operations } = transaction
    if (operations.has(operation) || operations.size < KINDS_MAX)
      operations.set(operation, (operations.get(operation) ?? 0) + 1)
    for (const { relation, block } of rowBlocks(record)) {
      if (blockCount >= BLOCKS_MAX) {
        cut = true
        return
      }
      const of = transaction.blocks.get(relation) ?? new Set()
      blockCount += of.has(block) ? 0 : 1
      transaction.blocks.set(relation, of.add(block))
    }
  }
  const commit = (top: string, record: WalRecord) => {
    const family = [top, ...subtransactions(record.description)]
    const members = family.flatMap(id => open.get(id) ?? [])
    if (!members.some(({ counts }) => counts)) return
    commits += 1
    for (const id of family) if (ids.size < IDS_MAX) ids.add(id)
    if (ids.size >= IDS_MAX) cut = true
    const operations = new Map<string, number>()
    for (const member of members) {
      for (const [name, count] of member.operations) operations.set(name, (operations.get(name) ?? 0) + count)
      for (const [relation, of] of member.blocks)
        blocks.set(relation, new Set([...(blocks.get(relation) ?? []), ...of]))
    }
    if (list.length >= LISTED_MAX) {
      cut = true
      return
    }
    list.push({ id: top, committedAt: timeOf(record.description), lsn: record.lsn, operations })
  }
  return {
    /** Whether the line is a record of the range. */
    add(line: string, fork: Lsn): boolean {
      const record = parseRecord(line)
      const at = record && parseLsn(record.lsn)
      if (!record || at === null) return false
      last = at
      const ending = endingOf(record)
      if (ending) {
        if (ending.committed && at >= fork) commit(ending.id, record)
        for (const id of [ending.id, ...subtransactions(record.description)]) open.delete(id)
      } else if (record.transaction !== '0' && record.manager !== 'Transaction')
        note(record.transaction, record)
      return at >= fork
    },
    result: (): LostTransactions => ({ list, commits, ids, blocks, last, cut }),
  }
}

/** One line each, for people. `names` of relations, where they are known. */
export function transactionLines(
  { list, commits }: LostTransactions,
  names: ReadonlyMap<string, string>,
): readonly string[] {
  const named = (operation: string) => {
    const [word, file = ''] = operation.split(' ')
    return `${word} ${names.get(file) ?? file}`
  }
  return [
    '# Transactions that committed only here: id, time of the commit (UTC), position of its record, what it did.',
    '# What is called by numbers (tablespace/database/file) belongs to the system or could not be named.',
    ...list.map(({ id, committedAt, lsn, operations }) => {
      const done = [...operations].map(([name, count]) => `${named(name)} x${count}`)
      return `${id}  ${committedAt}  ${lsn}  ${done.join(', ') || 'nothing to rows'}`
    }),
    ...(commits > list.length ? [`# and ${commits - list.length} more, in records.txt or in the WAL`] : []),
  ]
}

export interface WalRecord {
  readonly manager: string
  readonly transaction: string
  readonly lsn: string
  readonly description: string
}

const RECORD =
  /^rmgr: (\w+)\s+len \(rec\/tot\):\s*\d+\/\s*\d+, tx:\s*(\d+), lsn: ([0-9A-F]+\/[0-9A-F]+), .*?desc: (.*)$/

export function parseRecord(line: string): WalRecord | null {
  const match = RECORD.exec(line)
  return match ? { manager: match[1]!, transaction: match[2]!, lsn: match[3]!, description: match[4]! } : null
}

/** A record that ends a transaction, and which. */
function endingOf({ manager, transaction, description }: WalRecord) {
  if (manager !== 'Transaction') return null
  const match = /^(COMMIT|ABORT)(_PREPARED)?\b(?: (\d+):)?/.exec(description)
  if (!match) return null
  return { committed: match[1] === 'COMMIT', id: match[2] ? (match[3] ?? transaction) : transaction }
}

function subtransactions(description: string): readonly string[] {
  return /subxacts:((?: \d+)+)/.exec(description)?.[1]?.trim().split(' ') ?? []
}

function timeOf(description: string): string {
  return /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?/.exec(description)?.[0] ?? 'unknown'
}

const ROWS: readonly string[] = ['Heap', 'Heap2']

/** Of rows, and what changes whole relations; indexes follow their tables. */
function operationOf({ manager, description }: WalRecord): string | null {
  if (manager === 'Storage') return /^(CREATE|TRUNCATE) \S+/.exec(description)?.[0] ?? null
  if (!ROWS.includes(manager)) return null
  const name = /^(INSERT|MULTI_INSERT|UPDATE|HOT_UPDATE|DELETE|TRUNCATE)/.exec(description)?.[1]
  if (!name) return null
  const relation = /rel (\d+\/\d+\/\d+)/.exec(description)?.[1]
  const word = name === 'MULTI_INSERT' ? 'INSERT' : name === 'HOT_UPDATE' ? 'UPDATE' : name
  return relation ? `${word} ${relation}` : word
}

function rowBlocks({ manager, description }: WalRecord) {
  if (!ROWS.includes(manager) || !/^(INSERT|MULTI_INSERT|UPDATE|HOT_UPDATE)/.test(description)) return []
  const found = /blkref #0: rel (\d+\/\d+\/\d+) blk (\d+)/.exec(description)
  return found ? [{ relation: found[1]!, block: Number(found[2]) }] : []
}
