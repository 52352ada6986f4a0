// The laboratory's network: hosts as network namespaces where this is root, else processes on 127.0.0.1.
import type { Host, Purpose } from './host.ts'
import { openLoopback } from './loopback.ts'
import { namespacesWork, openNamespaces } from './namespaces.ts'

export interface Network {
  readonly kind: 'namespaces' | 'loopback'
  readonly directory: string
  readonly hosts: readonly Host[]
  /** Where clients run: a host of its own. */
  readonly client: Host
  /** All addresses, as pg_hba.conf writes them. */
  readonly subnet: string
  /** Takes the cable out: nothing more arrives or leaves, processes go on. */
  unplug(host: Host): void
  plug(host: Host): void
  /** The power goes: cable first, so that no farewell escapes, then every process at once. */
  lose(host: Host): void
  /** Drops what these send to those, silently. One direction; connections stay open. */
  cut(from: readonly Host[], to: readonly Host[]): void
  /** Undoes that cut. */
  mend(from: readonly Host[], to: readonly Host[]): void
  /** Both directions. */
  partition(some: readonly Host[], others: readonly Host[]): void
  /**
   * Drops what this host sends to that port of any other, silently: a service is cut off, the host is not. Undone by
   * the function that is returned, or by `heal`.
   */
  cutPort(from: Host, purpose: Purpose): () => void
  /** Undoes every cut and unplug. */
  heal(): void
  /** Ends all processes and leaves nothing behind; with `keep` the logs are copied first. Returns where to. */
  close(options?: { readonly keep?: boolean }): string | null
}

/** Opens the best network that this user may have. `kind` asks for one of them. */
export function openNetwork(names: readonly string[], kind?: Network['kind']): Network {
  const chosen = kind ?? (namespacesWork() ? 'namespaces' : 'loopback')
  const network = chosen === 'namespaces' ? openNamespaces(names) : openLoopback(names)
  return closedAtExit(network)
}

/** Whatever ends this process, its laboratory ends with it. Only SIGKILL escapes: the next run cleans up then. */
function closedAtExit(network: Network): Network {
  let closed = false
  const close = (options?: { readonly keep?: boolean }) => {
    if (closed) return null
    closed = true
    process.removeListener('exit', atExit)
    return network.close(options)
  }
  const atExit = () => {
    close()
  }
  process.once('exit', atExit)
  endOnSignals()
  return { ...network, close }
}

let listening = false

/** A signal becomes an orderly exit, unless the program has its own way of ending. */
function endOnSignals(): void {
  if (listening) return
  listening = true
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(status)
    })
  }
}
