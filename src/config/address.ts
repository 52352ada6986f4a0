// Addresses as configurations spell them: host and port, IPv6 with or without brackets.
import { isIPv6 } from 'node:net'
import type { Kind } from '../core/setting-kind.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

/** Where a server listens: several addresses, one port. */
export interface ListenAddress {
  readonly hosts: readonly string[]
  readonly port: number
}

/** One place to be reached at. */
export function address(defaultPort: number): Kind<Address> {
  return {
    expected: `HOST:PORT, for example 10.0.0.1:${defaultPort}`,
    text: true,
    read: raw => {
      const listen = splitHostPort(raw, defaultPort)
      return listen?.hosts.length === 1 ? { host: listen.hosts[0]!, port: listen.port } : undefined
    },
  }
}

/** One or more addresses to listen on, `10.0.0.1,127.0.0.1:5432`. */
export function listenAddress(defaultPort: number): Kind<ListenAddress> {
  return {
    expected: `HOST:PORT, or HOST,HOST:PORT, for example 0.0.0.0:${defaultPort}`,
    text: true,
    read: raw => splitHostPort(raw, defaultPort) ?? undefined,
  }
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Addresses that mean every interface. */
export function isWildcard(host: string): boolean {
  return ['0.0.0.0', '::', '*'].includes(host)
}

/** Addresses that no other machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}

/** As Patroni reads it: what follows the last colon is the port, unless the rest is then no address. */
function splitHostPort(raw: unknown, defaultPort: number): ListenAddress | null {
  if (typeof raw !== 'string' && typeof raw !== 'number') return null
  const written = String(raw).trim()
  const split = /^(.*):(\d{1,9})$/.exec(written)
  const hosts = split && readHosts(split[1]!)
  const [chosen, port] = hosts ? [hosts, Number(split[2])] : [readHosts(written), defaultPort]
  return chosen && port >= 1 && port <= 65_535 ? { hosts: chosen, port } : null
}

function readHosts(written: string): readonly string[] | null {
  const hosts = written.split(',').map(host => host.trim().replace(/^\[(.*)\]$/, '$1'))
  return hosts.every(isHost) ? hosts : null
}

function isHost(host: string): boolean {
  return host === '*' || isIPv6(host) || /^(?=.{1,253}$)\w([\w.-]*[\w.])?$/.test(host)
}
