// Addresses in connection URLs as members publish them.
import type { MemberRecord } from './cluster.ts'
import type { Upstream } from './instance.ts'

export function upstreamOf(member: MemberRecord | null): Upstream | null {
  const address = addressOf(member?.connUrl ?? '')
  return member && address && { name: member.name, ...address }
}

/** Host and port of `postgres://host:port/db`; null when it cannot be read. */
export function addressOf(connUrl: string): { readonly host: string; readonly port: number } | null {
  const match =
    /^postgres(?:ql)?:\/\/(?:[^@/]*@)?(\[[0-9A-Fa-f:.]+\]|[^:/?[\]]+)(?::(\d{1,5}))?(?:\/|\?|$)/.exec(connUrl)
  if (!match?.[1]) return null
  return { host: match[1].replace(/^\[|\]$/g, ''), port: Number(match[2] ?? 5432) }
}

/** Patroni's rule: lower case, `-` and `.` become `_`, anything else `u` and its number, 63 bytes. */
export function slotName(memberName: string): string {
  return [...memberName.toLowerCase()]
    .map(c => (/[a-z0-9_]/.test(c) ? c : /[-.]/.test(c) ? '_' : `u${codeOf(c)}`))
    .join('')
    .slice(0, 63)
}

function codeOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString().padStart(4, '0')
}
