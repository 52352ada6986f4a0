// Who may change something: allowlist, then client certificate, then password, as far as each is configured.
import { createHash, timingSafeEqual } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { RestConfig } from '../config/local-config.ts'
import { basicAuthorization } from '../operations/ask.ts'

export type AccessRules = Pick<RestConfig, 'authentication' | 'verifyClient' | 'allowlist' | 'scheme'>

export interface Denial {
  readonly status: 401 | 403
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
}

/** null: welcome. */
export type AccessCheck = (request: IncomingMessage) => Promise<Denial | null>

export function createAccessCheck(rules: AccessRules): AccessCheck {
  const allows = rules.allowlist === null ? null : createAllowlist(rules.allowlist)
  const expected = rules.authentication && digest(basicAuthorization(rules.authentication))
  return async request => {
    if (isCrossSite(request)) return forbidden('requests from other web sites are refused')
    if (allows && !(await allows(addressOf(request)))) return forbidden('Access is denied')
    if (
      rules.scheme === 'https' &&
      rules.verifyClient !== 'none' &&
      !(request.socket as TLSSocket).authorized
    )
      return forbidden('a client certificate is required')
    if (expected === null) return null
    // Digests have one length, so that the comparison tells nothing about the password's.
    const given = digest(request.headers.authorization ?? '')
    if (timingSafeEqual(given, expected)) return null
    return {
      status: 401,
      text: request.headers.authorization === undefined ? 'no auth header received' : 'not authenticated',
      headers: { 'www-authenticate': 'Basic realm="Patroni", charset="UTF-8"' },
    }
  }
}

/** A browser on somebody else's page would send the password along. */
function isCrossSite({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site']
  return site !== undefined && site !== 'same-origin' && site !== 'none'
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function forbidden(text: string): Denial {
  return { status: 403, text, headers: {} }
}

export function addressOf(request: IncomingMessage): string {
  return (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
}

const NAME_KEPT_MS = 30_000
const LOOKUP_LIMIT_MS = 2000

/** Addresses, networks and host names; names are looked up when needed, at most twice a minute each. */
function createAllowlist(entries: readonly string[]): (address: string) => Promise<boolean> {
  const literal = new BlockList()
  const names = entries.filter(entry => !addLiteral(literal, entry.trim()))
  const resolved = new Map<
    string,
    { readonly until: number; readonly addresses: Promise<readonly string[]> }
  >()
  const addressesOf = (name: string) => {
    const known = resolved.get(name)
    const now = performance.now()
    if (known && now < known.until) return known.addresses
    const addresses = lookUp(name)
    resolved.set(name, { until: now + NAME_KEPT_MS, addresses })
    return addresses
  }
  return async address => {
    if (isIP(address) === 0) return false
    if (literal.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) return true
    const lists = await Promise.all(names.map(addressesOf))
    return lists.flat().includes(address)
  }
}

function addLiteral(list: BlockList, entry: string): boolean {
  const [address, bits] = entry.split('/') as [string, string | undefined]
  if (isIP(address) === 0) return false
  const family = isIPv4(address) ? 'ipv4' : 'ipv6'
  const length = bits === undefined ? Number.NaN : Number(bits)
  if (bits === undefined) list.addAddress(address, family)
  else if (Number.isInteger(length)) list.addSubnet(address, length, family)
  return true
}

/** A name that cannot be looked up allows nobody. */
async function lookUp(name: string): Promise<readonly string[]> {
  const found = lookup(name, { all: true }).then(
    list => list.map(entry => entry.address),
    () => [],
  )
  const late = new Promise<readonly string[]>(resolve => setTimeout(resolve, LOOKUP_LIMIT_MS, []).unref())
  return Promise.race([found, late])
}
