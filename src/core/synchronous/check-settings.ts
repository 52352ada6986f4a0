// Settings of a synchronous cluster that contradict each other, in the dynamic configuration as a document.
import { DYNAMIC_KEYS } from '../dynamic-keys.ts'
import { isMapping } from '../setting-kind.ts'

type Document = Readonly<Record<string, unknown>>

export interface Contradiction {
  readonly severity: 'error' | 'warning'
  readonly path: readonly string[]
  readonly found: unknown
  readonly expected: string
  readonly hint: string
}

/** Values of `synchronous_commit` by which a commit is acknowledged before any standby has it on disk. */
export function isWeakCommit(value: unknown): boolean {
  return /^(off|false|no|0|local|remote_write)$/i.test(String(value).trim())
}

export function contradictions(document: Document): readonly Contradiction[] {
  const mode = DYNAMIC_KEYS.synchronous_mode.kind.read(document['synchronous_mode'] ?? 'off')
  const strict = DYNAMIC_KEYS.synchronous_mode_strict.kind.read(document['synchronous_mode_strict'] ?? false)
  if (mode === 'off' && strict)
    return [
      {
        severity: 'warning',
        path: ['synchronous_mode_strict'],
        found: true,
        expected: 'synchronous_mode: on or quorum',
        hint: 'Without it commits wait for nobody.',
      },
    ]
  return mode === 'on' || mode === 'quorum' ? parameterContradictions(document) : []
}

function parameterContradictions(document: Document): readonly Contradiction[] {
  const section = document['postgresql']
  const parameters = isMapping(section) ? section['parameters'] : null
  if (!isMapping(parameters)) return []
  return Object.entries(parameters).flatMap(([name, value]) => {
    const path = ['postgresql', 'parameters', name]
    const base = { severity: 'error', path, found: value } as const
    if (value === null) return []
    switch (name.toLowerCase()) {
      case 'synchronous_standby_names':
        return [{ ...base, expected: 'no value with synchronous_mode', hint: 'The leader sets it.' }]
      case 'synchronous_commit':
        return isWeakCommit(value)
          ? [
              {
                ...base,
                expected: 'on or remote_apply with synchronous_mode',
                hint: 'Set it for the sessions or roles that may lose commits.',
              },
            ]
          : []
      default:
        return []
    }
  })
}
