// A session that reads lists and appends to them, a few operations in each transaction.
import pg from 'pg'
import { monotonicNs } from '../../test/lab/wait.ts'
import type { Connection } from '../../test/lab/writer/connection.ts'
import { certainlyRefused } from '../../test/lab/writer/session.ts'
import type { IsolationLevel, Operation, Transaction } from '../list-append/history.ts'
import { APPEND, READ } from './plan.ts'
import type { Transact } from './sessions.ts'

/** What all sessions share: numbers that nobody else uses, and lists that are left before they grow long. */
export interface ListSource {
  nextId(): number
  nextElement(): number
  pickList(): number
}

const LISTS_AT_ONCE = 5
const TRANSACTIONS_FOR_EACH_LIST = 60
const OPERATIONS_MAX = 4

export function listSource(): ListSource {
  let id = 0
  let element = 0
  return {
    nextId: () => {
      id += 1
      return id
    },
    nextElement: () => {
      element += 1
      return element
    },
    pickList: () =>
      Math.floor(id / TRANSACTIONS_FOR_EACH_LIST) * LISTS_AT_ONCE + Math.floor(Math.random() * LISTS_AT_ONCE),
  }
}

export function transactOn(
  source: ListSource,
  isolation: IsolationLevel,
  write: (transaction: Transaction) => void,
): Transact {
  return async (connection, reign) => {
    if (connection.broken() !== null) return false
    const id = source.nextId()
    const startedNs = monotonicNs()
    const operations: Operation[] = []
    const end = (outcome: Transaction['outcome']) =>
      write({ id, outcome, operations, startedNs, endedNs: monotonicNs(), reign })
    let commitSent = false
    try {
      await connection.query({ text: `BEGIN ISOLATION LEVEL ${isolation}` })
      const count = 1 + Math.floor(Math.random() * OPERATIONS_MAX)
      for (let done = 0; done < count; done += 1) await operate(connection, source, operations)
      commitSent = true
      await connection.query({ text: 'COMMIT' })
      end(connection.warning() === null ? 'committed' : 'unknown')
      return true
    } catch (error) {
      // Without a COMMIT there was none.
      end(commitSent && !certainlyRefused(error) ? 'unknown' : 'aborted')
      return error instanceof pg.DatabaseError && rollBack(connection)
    }
  }
}

async function operate(connection: Connection, source: ListSource, operations: Operation[]): Promise<void> {
  const list = source.pickList()
  if (Math.random() < 0.5) {
    const element = source.nextElement()
    // Before it is sent: what has no answer may have been done.
    operations.push({ kind: 'append', list, element })
    await connection.query({ name: 'append', text: APPEND, values: [list, element] })
  } else {
    const at = operations.push({ kind: 'read', list, elements: null }) - 1
    const [row] = await connection.query<{ elements: number[] }>({ name: 'read', text: READ, values: [list] })
    operations[at] = { kind: 'read', list, elements: row?.elements ?? [] }
  }
}

async function rollBack(connection: Connection): Promise<boolean> {
  try {
    await connection.query({ text: 'ROLLBACK' })
    return true
  } catch {
    return false
  }
}
