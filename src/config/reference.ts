// The reference of all keys, made from the tables that read them.
import {
  DYNAMIC_KEYS,
  DYNAMIC_POSTGRESQL_KEYS,
  DYNAMIC_VIGIL_KEYS,
  type DynamicKey,
  LOCAL_ONLY_POSTGRESQL_KEYS,
} from '../core/dynamic-keys.ts'
import { isMapping } from '../core/setting-kind.ts'
import { eachLeaf } from './check.ts'
import { knownVariables } from './environment.ts'
import { showDefault } from './leaf.ts'

/** docs/configuration.md, whole. */
export function generateReference(): string {
  return [
    INTRODUCTION,
    '## The file of a member',
    table(localRows()),
    '## The dynamic configuration',
    DYNAMIC_INTRODUCTION,
    table(dynamicRows('', DYNAMIC_KEYS)),
    'Below `postgresql`:',
    table(dynamicRows('postgresql.', DYNAMIC_POSTGRESQL_KEYS)),
    'Below `vigil`:',
    table(dynamicRows('vigil.', DYNAMIC_VIGIL_KEYS)),
    `Only in the member's own file: ${LOCAL_ONLY_POSTGRESQL_KEYS.map(key => `\`${key}\``).join(', ')}.`,
    '## Variables of the environment',
    variables(),
    '',
  ].join('\n\n')
}

const INTRODUCTION = `# Configuration

This page is made from the tables in \`src/config/schema.ts\` and \`src/core/dynamic-keys.ts\`; edit those
(\`UPDATE_GOLDEN=1\` with the test \`config-reference\` writes it anew).

A member reads one YAML file, or a directory whose \`*.yml\` are merged in order of their names; then the variables
\`PATRONI_*\` of the environment, which win. Files of Patroni are read as they are. Without a file the variable
\`PATRONI_CONFIGURATION\` may hold a whole one.

\`vigild --validate-config FILE\` prints each finding as \`FILE:LINE: key: found VALUE, expected WHAT. fix\` and exits
with 1 if there is an error or an unknown key. An agent that starts refuses errors only. Passwords are never printed.

**used**: does what it says. **not yet**: accepted, kept, without effect so far. **ignored**: accepted, and has no
counterpart here.`

const DYNAMIC_INTRODUCTION = `It lives in the store, is the same for all members and is changed by \`vigil edit-config\` or \`PATCH /config\`;
\`bootstrap.dcs\` is its first version. Patroni's defaults are below; a cluster that vigil makes starts with ttl 10,
loop_wait 2, retry_timeout 3 (unless one of the three is given) and use_pg_rewind on. \`loop_wait + 2 * retry_timeout\`
must fit into \`ttl\`; what does not fit is shortened, loop_wait first. The least ttl is 5 s where the guard can stop a
whole cgroup or cut the network, else 7 s. A value that cannot be used is reported, and the one before stays in force.`

interface Row {
  readonly key: string
  readonly use: 'used' | 'later' | 'ignored'
  readonly expected: string
  readonly fallback: string
  readonly about: string
}

function localRows(): readonly Row[] {
  const rows: Row[] = []
  eachLeaf((path, { kind, use, about, fallback }) => {
    rows.push({ key: path.join('.'), use, expected: kind.expected, fallback, about })
  })
  return rows
}

function dynamicRows(prefix: string, keys: Readonly<Record<string, DynamicKey<unknown>>>): readonly Row[] {
  return Object.entries(keys).map(([name, key]) => ({
    key: [name, ...(key.aliases ?? [])].map(spelled => `${prefix}${spelled}`).join(', '),
    use: key.use,
    expected: key.kind.expected,
    fallback: dynamicDefault(key),
    about: key.about,
  }))
}

function dynamicDefault({ kind, default: value }: DynamicKey<unknown>): string {
  if (typeof value === 'number' && kind.expected.includes('seconds')) return `${value / 1000} s`
  if (typeof value === 'string') return value
  return isMapping(value) ? '' : showDefault(value)
}

function table(rows: readonly Row[]): string {
  const use = { used: 'used', later: 'not yet', ignored: 'ignored' }
  const lines = rows.map(row =>
    [`\`${row.key}\``, use[row.use], row.expected, row.fallback, row.about].map(cell).join(' | '),
  )
  return ['| key | | value | default | |', '|---|---|---|---|---|', ...lines.map(line => `| ${line} |`)].join(
    '\n',
  )
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function variables(): string {
  const usual = [...knownVariables()].filter(
    ([name, { path }]) => name !== `PATRONI_${path.join('_').toUpperCase()}`,
  )
  return [
    'A key `a.b` is the variable `PATRONI_A_B`, except in `bootstrap`, `tags` and `watchdog`, which have none. Lists and',
    'mappings are YAML, the outer brackets may be left out. These names are shorter than their keys:',
    '',
    '| variable | key |',
    '|---|---|',
    ...usual.map(([name, { path }]) => `| \`${name}\` | \`${path.join('.')}\` |`),
  ].join('\n')
}
