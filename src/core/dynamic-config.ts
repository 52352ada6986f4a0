// The dynamic configuration as a document: what a patch makes of it, and what is wrong with the result.
import {
  DYNAMIC_KEYS,
  DYNAMIC_POSTGRESQL_KEYS,
  DYNAMIC_VIGIL_KEYS,
  type DynamicKey,
  LOCAL_ONLY_POSTGRESQL_KEYS,
} from './dynamic-keys.ts'
import { nearest } from './nearest.ts'
import { mergeParameters } from './server-parameters.ts'
import { isMapping } from './setting-kind.ts'
import { effectiveSettings, type LocalSettings, NO_LOCAL_SETTINGS } from './settings.ts'
import { type Contradiction, contradictions } from './synchronous/check-settings.ts'

type Document = Readonly<Record<string, unknown>>

/** `error`: refused. `warning`: written, and something is not as written. `note`: no effect yet. */
export interface DynamicFinding {
  readonly severity: 'error' | 'warning' | 'note'
  readonly code: 'wrong-type' | 'bad-value' | 'unknown-key' | 'doubtful' | 'not-used-yet' | 'ignored'
  readonly path: readonly string[]
  readonly found: unknown
  readonly expected: string
  readonly hint: string
}

/** Patroni's PATCH: mappings are merged, null deletes, anything else replaces. Neither input is changed. */
export function patchDynamicConfig(current: Document, patch: Document): Document {
  const result = new Map(Object.entries(current))
  for (const [key, value] of Object.entries(patch)) {
    const before = result.get(key)
    if (value === null) result.delete(key)
    else if (isMapping(value)) result.set(key, patchDynamicConfig(isMapping(before) ? before : {}, value))
    else result.set(key, value)
  }
  return Object.fromEntries(result)
}

/** Compares as JSON; the order of keys means nothing. */
export function sameDocument(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => sameDocument(item, b[index]))
  if (!isMapping(a) || !isMapping(b)) return Object.is(a, b)
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every(key => Object.hasOwn(b, key) && sameDocument(a[key], b[key]))
  )
}

/** Everything to say about a whole dynamic configuration; errors are reasons not to write it. */
export function checkDynamicConfig(
  document: unknown,
  local: LocalSettings = NO_LOCAL_SETTINGS,
): readonly DynamicFinding[] {
  if (!isMapping(document)) {
    const expected = 'a mapping (key: value)'
    return [{ severity: 'error', code: 'wrong-type', path: [], found: document, expected, hint: '' }]
  }
  const shared = document['postgresql']
  const own = document['vigil']
  return [
    ...checkSection(document, [], DYNAMIC_KEYS),
    ...(isMapping(shared) ? checkSection(shared, ['postgresql'], DYNAMIC_POSTGRESQL_KEYS) : []),
    ...(isMapping(shared) ? checkParameters(shared) : []),
    ...(isMapping(own) ? checkSection(own, ['vigil'], DYNAMIC_VIGIL_KEYS) : []),
    ...contradictions(document).map(found => ({ ...found, code: codeOf(found) })),
    ...checkTimeouts(document, local),
  ]
}

function codeOf({ severity }: Contradiction): DynamicFinding['code'] {
  return severity === 'error' ? 'bad-value' : 'doubtful'
}

/** Whether the document may be written. */
export function isAcceptable(findings: readonly DynamicFinding[]): boolean {
  return findings.every(finding => finding.severity !== 'error')
}

/**
 * What vigil adds to the dynamic configuration of a cluster that it makes. Timings come as a set: who gives one of
 * them has Patroni's others in mind, unless those would not fit into the ttl.
 */
export function newClusterConfig(given: Document): Document {
  const { ttl, loop_wait, retry_timeout } = given
  const short = typeof ttl === 'number' && ttl < 30 && loop_wait === undefined && retry_timeout === undefined
  const untimed = ttl === undefined && loop_wait === undefined && retry_timeout === undefined
  const timings =
    short || untimed
      ? { ttl: 10, loop_wait: 2, retry_timeout: 3 }
      : { ttl: 30, loop_wait: 10, retry_timeout: 10 }
  const defaults = {
    ...timings,
    maximum_lag_on_failover: 1_048_576,
    failsafe_mode: true,
    postgresql: { use_pg_rewind: true, use_slots: true },
  }
  return patchDynamicConfig(defaults, given)
}

type Keys = Readonly<Record<string, DynamicKey<unknown>>>

function checkSection(section: Document, path: readonly string[], keys: Keys): readonly DynamicFinding[] {
  return Object.entries(section).flatMap(([name, value]) => {
    const at = [...path, name]
    const key = findKey(keys, name)
    if (key === null) return [unknownKey(at, keys)]
    if (value === null) return []
    if (key.kind.read(value) === undefined) {
      const code = typeof value === 'object' || isMapping(key.default) ? 'wrong-type' : 'bad-value'
      const { expected } = key.kind
      return [{ severity: 'error', code, path: at, found: value, expected, hint: '' } as const]
    }
    return key.use === 'used' ? [] : [unusedKey(at, value, key)]
  })
}

function findKey(keys: Keys, name: string): DynamicKey<unknown> | null {
  if (Object.hasOwn(keys, name)) return keys[name]!
  return Object.values(keys).find(key => key.aliases?.includes(name)) ?? null
}

function unknownKey(path: readonly string[], keys: Keys): DynamicFinding {
  const name = path.at(-1)!
  const base = { severity: 'warning', path, found: 'an unknown key' } as const
  if (path.length === 2 && (LOCAL_ONLY_POSTGRESQL_KEYS as readonly string[]).includes(name)) {
    const expected = "this in the member's own file"
    return {
      ...base,
      code: 'doubtful',
      found: 'a local key',
      expected,
      hint: 'Remove it here; it has no effect.',
    }
  }
  if (path.length === 1 && Object.hasOwn(DYNAMIC_POSTGRESQL_KEYS, name))
    return { ...base, code: 'unknown-key', expected: `postgresql.${name}`, hint: 'Move it below postgresql.' }
  const guess = nearest(name, Object.keys(keys))
  if (guess === null)
    return {
      ...base,
      code: 'unknown-key',
      expected: 'a key of the dynamic configuration',
      hint: 'Remove it.',
    }
  return { ...base, code: 'unknown-key', expected: guess, hint: 'Rename or remove it.' }
}

function unusedKey(path: readonly string[], found: unknown, key: DynamicKey<unknown>): DynamicFinding {
  const base = { path, found, severity: 'note' } as const
  if (key.use === 'ignored') return { ...base, code: 'ignored', expected: 'nothing', hint: `${key.about}.` }
  return { ...base, code: 'not-used-yet', expected: 'nothing yet', hint: 'It is kept, and not used yet.' }
}

function checkParameters(shared: Document): readonly DynamicFinding[] {
  const { parameters } = shared
  if (!isMapping(parameters)) return []
  return mergeParameters({ dynamic: parameters, local: {} }).problems.map(problem => ({
    severity: problem.misplaced ? 'warning' : 'error',
    code: problem.misplaced ? 'ignored' : 'bad-value',
    path: ['postgresql', 'parameters', problem.key.slice('postgresql.parameters.'.length)],
    found: problem.found,
    expected: problem.expected,
    hint: problem.misplaced ? 'Remove it; it has no effect.' : '',
  }))
}

/** Values that are read, and then changed to fit together. */
function checkTimeouts(document: Document, local: LocalSettings): readonly DynamicFinding[] {
  const given = Object.fromEntries(
    ['ttl', 'loop_wait', 'retry_timeout']
      .filter(key => Object.hasOwn(document, key))
      .map(key => [key, document[key]]),
  )
  const { problems } = effectiveSettings(given, { ...NO_LOCAL_SETTINGS, ttlFloorMs: local.ttlFloorMs })
  const unreadable = problems.filter(problem => !problem.adjusted).map(problem => problem.key)
  return problems
    .filter(({ key, adjusted }) => adjusted && Object.hasOwn(given, key) && !unreadable.includes(key))
    .map(problem => ({
      severity: 'warning',
      code: 'doubtful',
      path: [problem.key],
      found: problem.found,
      expected: problem.expected,
      hint: `${problem.used} is used.`,
    }))
}
