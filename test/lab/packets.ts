// Packets that get lost at random on their way to a host: nftables in its network namespace.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Host } from './host.ts'
import { namespaceOf } from './namespaces.ts'
import { NAMESPACE_DIRECTORY } from './workplace.ts'

const TABLE = 'vigil_lab'

/** Undone by the returned function. A table of its own: what the member itself has there stays. */
export function losePackets(host: Host, percent: number): () => void {
  const nft = (script: string, ignoreFailure = false) => {
    try {
      execFileSync(
        'nsenter',
        [`--net=${join(NAMESPACE_DIRECTORY, namespaceOf(host))}`, '--', 'nft', '-f', '-'],
        {
          input: script,
          stdio: ['pipe', 'ignore', 'pipe'],
          timeout: 10_000,
        },
      )
    } catch (error) {
      if (!ignoreFailure) throw error
    }
  }
  nft(`delete table inet ${TABLE}`, true)
  nft(`table inet ${TABLE} {
    chain arriving {
      type filter hook input priority -300;
      iifname != "lo" numgen random mod 100 < ${percent} drop
    }
  }`)
  return () => nft(`delete table inet ${TABLE}`, true)
}
