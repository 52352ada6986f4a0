// Who may connect: pg_hba.conf and pg_ident.conf.
import { userInfo } from 'node:os'
import { VigilError } from '../../kernel/errors.ts'
import { oneLine } from './conninfo.ts'
import type { Credentials } from './options.ts'

const HEADER = '# Written by vigil from postgresql.pg_hba; changes made here are lost.'
const IDENT_HEADER = '# Written by vigil from postgresql.pg_ident; changes made here are lost.'
const MAP = 'vigil'

export interface AccessOptions {
  readonly superuser: Credentials
  readonly replication: Credentials
  readonly rewind?: Credentials | null
  /** The account that the agent runs as. */
  readonly account: string
}

/** For a cluster whose configuration says nothing: the agent over the socket, everybody else with a password. */
export function defaultHba(options: AccessOptions): string {
  return hbaFile(
    [
      ...agentLines(options),
      'local   all           all                   scram-sha-256',
      `host    replication   ${quoted(options.replication.username)}   all   scram-sha-256`,
      'host    all           all             all   scram-sha-256',
    ],
    '# Made by vigil for a new cluster; kept as it is until postgresql.pg_hba is set.',
  )
}

/** The lines as configured. The agent's own come first when none speaks of the socket, or it would lock itself out. */
export function configuredHba(lines: readonly string[], options: AccessOptions): string {
  const checked = lines.map(line => configLine('postgresql.pg_hba', line))
  const speaksOfSocket = checked.some(line => /^\s*(local|include\w*|@)/i.test(line))
  return hbaFile(speaksOfSocket ? checked : [...agentLines(options), ...checked])
}

/**
 * From other machines only whom the agents and standbys come as, by the lines that let them in anyway: a member must be
 * able to stream and to rewind before anybody else looks (protocol A12-3).
 */
export function closedHba(content: string, { superuser, replication, rewind }: AccessOptions): string {
  const people = [superuser, replication, ...(rewind ? [rewind] : [])].map(({ username }) => username)
  const lines = content.split('\n').flatMap(line => {
    const [, type, database, user, rest] = HOST_LINE.exec(line) ?? []
    if (type === undefined) return [line]
    const named = user!.split(',').map(name => name.replace(/^"(.*)"$/, '$1'))
    const admitted = people.filter(name => user === 'all' || named.includes(name))
    return admitted.length === 0 ? [] : [`${type} ${database} ${admitted.map(quoted).join(',')} ${rest}`]
  })
  return `${[CLOSED_HEADER, ...lines, 'host all all all reject'].join('\n')}\n`
}

export function isClosedHba(content: string): boolean {
  return content.startsWith(CLOSED_HEADER)
}

const CLOSED_HEADER =
  '# Written by vigil: for a moment after a promotion nobody else is let in. What stood here comes back.'
const NAME = '(?:"[^"]*"|[^\\s",#]+)'
const HOST_LINE = new RegExp(
  `^\\s*(host\\w*)\\s+(${NAME}(?:,${NAME})*)\\s+(${NAME}(?:,${NAME})*)\\s+(\\S.*)$`,
  'i',
)

export function identFile(lines: readonly string[] | null, options: AccessOptions): string {
  const own = needsMap(options)
    ? [`${MAP} ${quoted(options.account)} ${quoted(options.superuser.username)}`]
    : []
  const checked = (lines ?? []).map(line => configLine('postgresql.pg_ident', line))
  return `${[IDENT_HEADER, ...own, ...checked].join('\n')}\n`
}

export function currentAccount(): string {
  return userInfo().username
}

/** With a password that, else the account that owns the data: whoever has it can do everything anyway. */
function agentLines(options: AccessOptions): readonly string[] {
  const method =
    options.superuser.password !== null ? 'scram-sha-256' : needsMap(options) ? `peer map=${MAP}` : 'peer'
  const user = quoted(options.superuser.username)
  return [`local   all           ${user}   ${method}`, `local   replication   ${user}   ${method}`]
}

function needsMap({ superuser, account }: AccessOptions): boolean {
  return superuser.password === null && account !== superuser.username
}

function hbaFile(lines: readonly string[], header = HEADER): string {
  return `${[header, ...lines].join('\n')}\n`
}

/** Quoted, so that no name is taken for a keyword such as `all`, or for two words. */
function quoted(text: string): string {
  if (text.includes('"'))
    throw new VigilError('CONFIG_INVALID', { message: `The name ${text} contains a quote.` })
  return `"${oneLine('a name', text)}"`
}

function configLine(key: string, line: string): string {
  try {
    return oneLine(key, line)
  } catch {
    throw new VigilError('CONFIG_INVALID', {
      message: `${key}: an entry contains a line break or a control character.`,
    })
  }
}
