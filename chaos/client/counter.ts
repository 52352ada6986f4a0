// A session that counts: every acknowledged value must be above the one before.
import { monotonicNs } from '../../test/lab/wait.ts'
import { COUNT, type Count } from './plan.ts'
import type { Transact } from './sessions.ts'

export function countOn(client: number, write: (count: Count) => void): Transact {
  return async (connection, reign) => {
    if (connection.broken() !== null) return false
    try {
      const [row] = await connection.query<{ value: number }>({
        name: 'count',
        text: COUNT,
        values: [client],
      })
      // A cancelled wait promises nothing.
      if (connection.warning() === null) write({ client, value: row!.value, atNs: monotonicNs(), reign })
      return true
    } catch {
      return false
    }
  }
}
