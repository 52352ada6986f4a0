// Every revision of vigil's term record, in order, over etcd's watch: what a test waits for, and what it judges.
import type { TermRecord } from '../../src/core/term.ts'
import type { EtcdCluster } from './etcd.ts'
import { monotonicNs, waitFor } from './wait.ts'

/** One revision as it was stored, and when it was heard of. */
export interface TermRevision {
  readonly record: TermRecord
  readonly modRevision: number
  readonly atNs: number
}

export interface TermWatch {
  /** Oldest first, from the watch's start. */
  revisions(): readonly TermRevision[]
  latest(): TermRecord | null
  /** Called once, in the moment in which the first matching revision is heard of. Cancelled by the returned function. */
  once(matches: (record: TermRecord) => boolean, act: (record: TermRecord) => void): () => void
  waitFor(what: string, matches: (record: TermRecord) => boolean, limitMs?: number): Promise<TermRecord>
  close(): void
}

/** A stream without an event for so long is opened anew, at another node: that one may be cut off. */
const SILENCE_MS = 3000
const RETRY_MS = 100

export function watchTerm(etcd: EtcdCluster, scope: string): TermWatch {
  const key = Buffer.from(`/service/${scope}/vigil/term`).toString('base64')
  const revisions: TermRevision[] = []
  const waiting = new Set<{
    matches: (record: TermRecord) => boolean
    act: (record: TermRecord) => void
  }>()
  const closed = new AbortController()

  const take = (modRevision: number, record: TermRecord) => {
    if (modRevision <= (revisions.at(-1)?.modRevision ?? 0)) return
    revisions.push({ record, modRevision, atNs: monotonicNs() })
    for (const one of [...waiting]) {
      if (!one.matches(record)) continue
      waiting.delete(one)
      one.act(record)
    }
  }
  const latest = () => revisions.at(-1)?.record ?? null
  void followKey(etcd, key, () => (revisions.at(-1)?.modRevision ?? 0) + 1, take, closed.signal)
  return {
    revisions: () => revisions,
    latest,
    once: (matches, act) => {
      const one = { matches, act }
      waiting.add(one)
      return () => {
        waiting.delete(one)
      }
    },
    waitFor: (what, matches, limitMs = 60_000) =>
      waitFor(what, limitMs, () => {
        const record = latest()
        return record && matches(record) ? record : null
      }),
    close: () => closed.abort(),
  }
}

async function followKey(
  etcd: EtcdCluster,
  key: string,
  next: () => number,
  take: (modRevision: number, record: TermRecord) => void,
  closed: AbortSignal,
): Promise<void> {
  for (let attempt = 0; !closed.aborted; attempt += 1) {
    const node = etcd.nodes[attempt % etcd.nodes.length]!
    try {
      await stream(node.endpoint, { key, start_revision: String(next()) }, take, closed)
    } catch {
      // The next node may answer.
    }
    await new Promise(resolve => setTimeout(resolve, RETRY_MS))
  }
}

interface WatchAnswer {
  readonly result?: {
    readonly events?: readonly { readonly kv: { readonly mod_revision: string; readonly value?: string } }[]
  }
}

/** Until the stream ends, fails, or has been silent for too long. */
async function stream(
  endpoint: string,
  request: { readonly key: string; readonly start_revision: string },
  take: (modRevision: number, record: TermRecord) => void,
  closed: AbortSignal,
): Promise<void> {
  const silence = new AbortController()
  let timer = setTimeout(() => silence.abort(), SILENCE_MS)
  try {
    const answer = await fetch(`${endpoint}/v3/watch`, {
      method: 'POST',
      body: JSON.stringify({ create_request: request }),
      signal: AbortSignal.any([silence.signal, closed]),
    })
    let rest = ''
    for await (const chunk of answer.body!) {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), SILENCE_MS)
      const lines = (rest + Buffer.from(chunk).toString()).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        for (const { kv } of (JSON.parse(line) as WatchAnswer).result?.events ?? []) {
          if (kv.value === undefined) continue
          take(Number(kv.mod_revision), JSON.parse(Buffer.from(kv.value, 'base64').toString()) as TermRecord)
        }
      }
    }
  } finally {
    clearTimeout(timer)
  }
}
