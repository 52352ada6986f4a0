// The dynamic configuration: patched or replaced, never over somebody else's change.
import {
  checkDynamicConfig,
  type DynamicFinding,
  isAcceptable,
  patchDynamicConfig,
  sameDocument,
} from '../core/dynamic-config.ts'
import type { TransactionResult } from '../ports/store.ts'
import { type Answer, type Plan, ready, refused } from './answer.ts'
import type { ConfigBody } from './bodies.ts'
import { type Desk, STORE_LIMIT_MS } from './desk.ts'
import { freshRead } from './failover-key.ts'

/** `onlyRevision`: the revision that the caller looked at (If-Match); null: any. */
export async function planPatchConfig(
  desk: Desk,
  patch: ConfigBody,
  onlyRevision: bigint | null,
): Promise<Plan> {
  return planWrite(desk, {
    onlyRevision,
    make: current => patchDynamicConfig(current ?? {}, patch),
    needsOne: true,
  })
}

export async function planPutConfig(
  desk: Desk,
  whole: ConfigBody,
  onlyRevision: bigint | null,
): Promise<Plan> {
  return planWrite(desk, { onlyRevision, make: () => whole, needsOne: false })
}

interface ConfigWrite {
  readonly onlyRevision: bigint | null
  readonly make: (current: ConfigBody | null) => ConfigBody
  /** Without a configuration there is nothing to patch. */
  readonly needsOne: boolean
}

async function planWrite(desk: Desk, { onlyRevision, make, needsOne }: ConfigWrite): Promise<Plan> {
  const read = await freshRead(desk)
  if (read.kind === 'lost') return { kind: 'refused', answer: read.answer }
  const current = read.value.cluster.config
  // A damaged value reads as absent; replacing it unseen would compare with "no such key" and lose anyway.
  if (!current && needsOne) return refused(503, 'There is no dynamic configuration yet')
  if (onlyRevision !== null && current?.modRevision !== onlyRevision)
    return refused(409, 'The configuration has changed since it was read; nothing was written')
  const next = make(current?.value ?? null)
  const findings = checkDynamicConfig(next)
  if (!isAcceptable(findings)) return refused(400, findingsText(findings.filter(f => f.severity === 'error')))
  return ready(wouldText(current?.value ?? null, next, findings), async () => {
    const signal = desk.clock.limit(STORE_LIMIT_MS)
    const result = await desk.records.replaceConfig(next, current?.modRevision ?? null, signal)
    desk.agent.wake()
    return result.kind === 'unknown' ? readBack(desk, next) : answerTo(result, next)
  })
}

function answerTo(result: TransactionResult, next: ConfigBody): Answer {
  switch (result.kind) {
    case 'applied':
      return { status: 200, json: next, revision: result.revision }
    case 'conflict':
      return {
        status: 409,
        text: 'Somebody else changed the configuration at the same moment; nothing was written',
      }
    case 'failed':
      return { status: 502, text: `The store refused: ${result.reason}` }
    case 'unknown':
      return {
        status: 503,
        text: 'The store did not answer in time; the change may or may not have been written',
      }
  }
}

async function readBack(desk: Desk, next: ConfigBody): Promise<Answer> {
  const read = await freshRead(desk)
  const found = read.kind === 'read' ? read.value.cluster.config : null
  if (found && sameDocument(found.value, next))
    return { status: 200, json: next, revision: found.modRevision }
  return answerTo({ kind: 'unknown', reason: '' }, next)
}

function wouldText(before: ConfigBody | null, next: ConfigBody, findings: readonly DynamicFinding[]): string {
  if (before && sameDocument(before, next)) return 'nothing would change'
  const notes = findings.length === 0 ? '' : `\n${findingsText(findings)}`
  return `would write the dynamic configuration${notes}`
}

/** One line each: where, what was found, what was expected. */
export function findingsText(findings: readonly DynamicFinding[]): string {
  return findings
    .map(({ severity, path, found, expected, hint }) => {
      const where = path.length === 0 ? 'the configuration' : path.join('.')
      const value = typeof found === 'string' ? found : JSON.stringify(found)
      return `${severity}: ${where}: found ${value}, expected ${expected}.${hint ? ` ${hint}` : ''}`
    })
    .join('\n')
}
