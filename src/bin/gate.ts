// The gate at the database port as the configuration wants it, around the agent's guard.
import { isIP } from 'node:net'
import { isWildcard } from '../config/address.ts'
import type { LocalConfig } from '../config/local-config.ts'
import { gatedGuard } from '../guard/gated.ts'
import { createPortGate, type GatePlace, removeGate } from '../guard/port-gate.ts'
import type { User } from '../host/accounts.ts'
import { type NftShell, openNftShell } from '../host/nft-shell.ts'
import type { Instant } from '../kernel/time.ts'
import type { Guard } from '../ports/guard.ts'

/** What may be done about nftables, or why nothing. `user`: whom root is about to become. */
export async function openNft(config: LocalConfig, user: User | null): Promise<NftShell | string> {
  const shell = openNftShell(user)
  if (config.fencing.nftables !== 'off' || typeof shell === 'string') return shell
  // The agent before this one may have made a gate that would shut now.
  await removeGate(shell, placeOf(config))
  shell.close()
  return 'switched off (vigil.fencing.nftables)'
}

export function withGate(
  guard: Guard,
  config: LocalConfig,
  { nft, now }: { readonly nft: NftShell | string; readonly now: () => Instant },
): Guard {
  const required = config.fencing.nftables === 'on'
  if (typeof nft === 'string') return gatedGuard({ guard, gate: null, obstacle: nft, required })
  const gate = createPortGate({ shell: nft, place: placeOf(config), now })
  return gatedGuard({ guard, gate, obstacle: null, required })
}

function placeOf({ postgresql }: LocalConfig): GatePlace {
  const { hosts, port } = postgresql.listen
  return { port, addresses: hosts.every(host => isIP(host) && !isWildcard(host)) ? hosts : [] }
}
