// What the chaos client's process is told, and the tables that it fills besides the writer's.
import type { Login, ServerAddress } from '../../test/lab/sql.ts'
import type { IsolationLevel } from '../list-append/history.ts'

export interface ClientPlan {
  readonly servers: readonly ServerAddress[]
  readonly login: Login
  readonly isolation: IsolationLevel
  readonly listSessions: number
  readonly countSessions: number
  readonly weakSessions: number
  /** Pause of a session between two transactions. */
  readonly intervalMs: number
  readonly listsFile: string
  readonly countsFile: string
  readonly weakFile: string
}

/** An acknowledged increment of a session's own counter. */
export interface Count {
  readonly client: number
  readonly value: number
  readonly atNs: number
  readonly reign: string
}

/** Sessions with `synchronous_commit = local` have numbers from here on. */
export const FIRST_WEAK_CLIENT = 2000

export const LISTS = 'vigil_chaos_lists'
export const COUNTERS = 'vigil_chaos_counters'

export const CREATE_TABLES = `
  CREATE TABLE IF NOT EXISTS ${LISTS} (list int PRIMARY KEY, elements int[] NOT NULL);
  CREATE TABLE IF NOT EXISTS ${COUNTERS} (client int PRIMARY KEY, value bigint NOT NULL)`

export const APPEND = `
  INSERT INTO ${LISTS} (list, elements) VALUES ($1, ARRAY[$2::int])
  ON CONFLICT (list) DO UPDATE SET elements = ${LISTS}.elements || $2::int`
export const READ = `SELECT elements FROM ${LISTS} WHERE list = $1`
export const COUNT = `
  INSERT INTO ${COUNTERS} (client, value) VALUES ($1, 1)
  ON CONFLICT (client) DO UPDATE SET value = ${COUNTERS}.value + 1 RETURNING value::int AS value`
