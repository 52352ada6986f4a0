// What a member must remember across restarts, outside the data directory (protocol A3). Every write is durable
// before it returns: temporary file, fsync, rename, fsync of the folder.
import type { MemberMemory } from '../core/member-memory.ts'

export type { MemberMemory } from '../core/member-memory.ts'

export interface Journal {
  /** The state after `open`; always what is on disk. */
  read(): MemberMemory
  write(change: Partial<MemberMemory>): Promise<void>
}
