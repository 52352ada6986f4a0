// The documents that can be read: each is a rendering of the one read model.
import { evidenceDocument } from '../core/evidence.ts'
import type { RecordedDecision } from '../core/recorded-decision.ts'
import type { ClusterStatus } from '../core/status.ts'
import type { Answer } from '../operations/answer.ts'
import type { Desk } from '../operations/desk.ts'
import { statusDocument } from '../operations/status-document.ts'
import type { DocumentName } from '../operations/table.ts'
import { metricsText } from './metrics.ts'
import { clusterDocument, patroniDocument } from './patroni-document.ts'

type Reader = (desk: Desk, query: URLSearchParams) => Answer

export const DOCUMENT_READERS: Readonly<Record<DocumentName, Reader>> = {
  patroni: desk => ({ status: 200, json: ownDocument(desk) }),
  status: desk => {
    const status = desk.status()
    return status ? { status: 200, json: statusDocument(status) } : notYet
  },
  cluster: withStore(status => ({ status: 200, json: clusterDocument(status) })),
  history: withStore(status => ({ status: 200, json: status.history })),
  evidence: desk => ({ status: 200, json: desk.agent.evidence().map(evidenceDocument) }),
  config: withStore(({ config }) =>
    config
      ? { status: 200, json: config.value, revision: config.modRevision }
      : { status: 502, text: 'There is no dynamic configuration yet' },
  ),
  failsafe: desk => {
    const failsafe = desk.status()?.failsafe
    return failsafe
      ? { status: 200, json: failsafe }
      : { status: 502, text: 'failsafe_mode is off, or nobody has led with it yet' }
  },
  explain: desk => ({ status: 200, json: explainDocument(desk) }),
  logs: (desk, query) => ({ status: 200, json: { lines: desk.logs(linesAsked(query)) } }),
  metrics: desk => ({ status: 200, text: metricsText(desk.status(), desk.scope) }),
}

/** Before the agent's first look there is little to say; Patroni's clients still expect a document. */
export function ownDocument(desk: Desk): unknown {
  const status = desk.status()
  if (status) return patroniDocument(status, desk.schedule.pending())
  return { state: 'starting', role: 'uninitialized', patroni: { scope: desk.scope } }
}

const notYet: Answer = { status: 503, text: 'This member has not looked at the cluster yet' }

function withStore(read: (status: ClusterStatus) => Answer): Reader {
  return desk => {
    const status = desk.status()
    if (!status) return notYet
    if (status.store.kind === 'known') return read(status)
    return { status: 503, text: `The store does not answer: ${status.store.reason}` }
  }
}

function explainDocument(desk: Desk): unknown {
  const status = desk.status()
  return {
    member: status?.local.name ?? null,
    leader: status?.leader ?? null,
    term: status?.leadership?.term ?? null,
    term_state: status?.leadership?.state ?? null,
    decisions: desk.agent.decisions().map(decisionDocument),
  }
}

function decisionDocument(decision: RecordedDecision): unknown {
  const { sequence, at, rule, because, actions, stoppedBy, term } = decision
  return { sequence, at, rule, because, actions, stopped_by: stoppedBy, term }
}

const LINES_MAX = 1000

function linesAsked(query: URLSearchParams): number {
  const asked = Number(query.get('lines') ?? 100)
  return Number.isInteger(asked) && asked > 0 ? Math.min(asked, LINES_MAX) : 100
}
