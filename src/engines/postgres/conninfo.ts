// libpq connection strings and password files: parsing and quoting, so that no value becomes another parameter.

export type Conninfo = Readonly<Record<string, string>>

/** Reads both forms, key=value and URI. @throws Error with what is wrong; the text itself may hold a password. */
export function parseConninfo(text: string): Conninfo {
  return /^postgres(ql)?:\/\//.test(text) ? parseUri(text) : parsePairs(text)
}

/** Every value quoted; null and undefined are left out. @throws Error for what cannot be written in one line. */
export function formatConninfo(
  parameters: Readonly<Record<string, string | number | null | undefined>>,
): string {
  return Object.entries(parameters)
    .filter((entry): entry is [string, string | number] => entry[1] !== null && entry[1] !== undefined)
    .map(([name, value]) => `${checkedName(name)}=${quote(oneLine(name, String(value)))}`)
    .join(' ')
}

/** One line of a password file. Null: any. */
export function formatPassfileLine(line: {
  readonly host: string | null
  readonly port: number | null
  readonly database: string | null
  readonly user: string
  readonly password: string
}): string {
  const field = (name: string, value: string | number | null) =>
    value === null ? '*' : oneLine(name, String(value)).replace(/[\\:]/g, '\\$&')
  return [
    field('host', line.host),
    field('port', line.port),
    field('database', line.database),
    field('user', line.user),
    field('password', line.password),
  ].join(':')
}

/** Refuses control characters other than tabs: a line break would start another line of whatever file this goes to. */
export function oneLine(what: string, value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) throw new Error(`${what} contains a control character`)
  return value
}

function quote(value: string): string {
  return /^[A-Za-z0-9_.:/-]+$/.test(value) ? value : `'${value.replace(/[\\']/g, '\\$&')}'`
}

function checkedName(name: string): string {
  if (!/^[a-z_]+$/.test(name)) throw new Error(`"${name}" is not the name of a connection parameter`)
  return name
}

/** libpq's rules: blanks around `=` are allowed, a backslash escapes, an unquoted value ends at a blank. */
function parsePairs(text: string): Conninfo {
  const result: Record<string, string> = {}
  const name = /\s*([^\s=]+)\s*=\s*/y
  const quoted = /'((?:[^'\\]|\\[\s\S])*)'/y
  const plain = /(?:[^\s\\']|\\[\s\S])*/y
  let at = 0
  while (/\S/.test(text.slice(at))) {
    name.lastIndex = at
    const named = name.exec(text)
    if (!named) throw new Error('a parameter without "=" in a connection string')
    const pattern = text[name.lastIndex] === "'" ? quoted : plain
    pattern.lastIndex = name.lastIndex
    const value = pattern.exec(text)
    if (!value) throw new Error('an unterminated quote in a connection string')
    at = pattern.lastIndex
    if (at < text.length && !/\s/.test(text[at]!)) throw new Error('a stray quote in a connection string')
    result[named[1]!] = (value[1] ?? value[0]).replace(/\\([\s\S])/g, '$1')
  }
  return result
}

function parseUri(text: string): Conninfo {
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text)
  if (!match) throw new Error('a connection URI that cannot be read')
  const [, login, hosts, database, query] = match
  const result: Record<string, string> = {}
  const put = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== '') result[name] = decoded(value)
  }
  if (login !== undefined) {
    const colon = login.indexOf(':')
    put('user', colon < 0 ? login : login.slice(0, colon))
    put('password', colon < 0 ? undefined : login.slice(colon + 1))
  }
  const places = (hosts ?? '').split(',').map(place => /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(place))
  if (places.some(place => place === null)) throw new Error('a connection URI that cannot be read')
  put('host', places.map(place => place![1]!.replace(/^\[|\]$/g, '')).join(','))
  if (places.some(place => place![2])) put('port', places.map(place => place![2] ?? '').join(','))
  put('dbname', database)
  for (const pair of (query ?? '').split('&').filter(part => part !== '')) {
    const equals = pair.indexOf('=')
    if (equals < 0) throw new Error('a connection URI that cannot be read')
    put(decoded(pair.slice(0, equals)), pair.slice(equals + 1))
  }
  return result
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('a connection URI with a broken escape')
  }
}
