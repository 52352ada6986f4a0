// Kinds of value that only the local file has.
import {
  hasControlCharacter,
  isMapping,
  type Kind,
  type ProgramOption,
  programOptions,
  text,
} from '../core/setting-kind.ts'

const NAME_BYTES_MAX = 63

/** Names of PostgreSQL's and of Patroni's placeholders for nobody. */
const RESERVED_NAMES = ['__patroni_strict_sync_replica_placeholder__', 'vigil:not-leader', '*']

/** A member's name goes into store keys, application_name (63 bytes) and comma-separated lists. */
export const memberName: Kind<string> = {
  expected: `a name of at most ${NAME_BYTES_MAX} bytes without / , " or control characters, and not reserved`,
  text: true,
  read: raw => {
    const name = readName(raw)
    return name === undefined || /[,"]/.test(name) || RESERVED_NAMES.includes(name) ? undefined : name
  },
}

export const scopeName: Kind<string> = {
  expected: `a name of at most ${NAME_BYTES_MAX} bytes without / or control characters`,
  text: true,
  read: readName,
}

/** `/service/`, `service`, `a/b`: gives `/service`. */
export const namespace: Kind<string> = {
  expected: 'a path such as /service/, without control characters',
  text: true,
  read: raw => {
    const parts = text
      .read(raw)
      ?.split('/')
      .map(part => part.trim())
      .filter(part => part !== '')
    return parts?.every(part => part !== '.' && part !== '..') ? `/${parts.join('/')}` : undefined
  },
}

export const absolutePath: Kind<string> = {
  expected: 'an absolute path, not /',
  text: true,
  read: raw => {
    if (typeof raw !== 'string' || hasControlCharacter(raw)) return undefined
    const trimmed = raw.trim().replace(/\/+$/, '')
    return trimmed.startsWith('/') ? trimmed : undefined
  },
}

/** Items as a list, or as text with commas. */
export const hostList: Kind<readonly string[]> = {
  expected: 'a list of HOST:PORT, or HOST:PORT,HOST:PORT',
  text: true,
  shape: 'list',
  read: raw => {
    const items = typeof raw === 'string' ? raw.split(',') : raw
    if (!Array.isArray(items)) return undefined
    const trimmed = items.map(item => (typeof item === 'string' ? item.trim() : ''))
    const hosts = trimmed.filter(item => item !== '')
    return hosts.length > 0 && hosts.every(isHostOrUrl) ? hosts : undefined
  },
}

export const host: Kind<string> = {
  expected: 'HOST:PORT',
  text: true,
  read: raw => (typeof raw === 'string' && isHostOrUrl(raw.trim()) ? raw.trim() : undefined),
}

export const url: Kind<string> = {
  expected: 'http://HOST:PORT or https://HOST:PORT, without user and password',
  text: true,
  read: raw => (typeof raw === 'string' && /^https?:\/\//.test(raw) && isHostOrUrl(raw) ? raw : undefined),
}

/** `- data-checksums` and `- encoding: UTF8`, or one mapping. */
export const initdbOptions: Kind<readonly ProgramOption[]> = programOptions([
  'pgdata',
  'nosync',
  'no-sync',
  'pwfile',
  'sync-only',
  'version',
])

/** Names and their text, such as headers. */
export const textMapping: Kind<Readonly<Record<string, string>>> = {
  expected: 'a mapping of names to text',
  text: true,
  shape: 'mapping',
  read: raw => {
    if (!isMapping(raw)) return undefined
    const entries = Object.entries(raw).map(([key, value]) => [key, text.read(value)] as const)
    return entries.every(([, value]) => value !== undefined)
      ? (Object.fromEntries(entries) as Readonly<Record<string, string>>)
      : undefined
  },
}

function readName(raw: unknown): string | undefined {
  const name = text.read(raw)
  if (name === undefined || name === '' || name !== name.trim() || name.includes('/') || name.includes('\t'))
    return undefined
  if (name === '.' || name === '..' || Buffer.byteLength(name) > NAME_BYTES_MAX) return undefined
  return name
}

function isHostOrUrl(value: string): boolean {
  // Credentials have their own keys, where they are not shown.
  if (/^https?:\/\//.test(value))
    return URL.canParse(value) && new URL(value).username === '' && !value.includes('@')
  return /^[^\s/@?#]+$/.test(value) && URL.canParse(`http://${value}`)
}
