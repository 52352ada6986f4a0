// One request: route, access, body, operation, answer. Nothing that goes wrong inside is told outside.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { reasonOf } from '../kernel/errors.ts'
import { elapsedAtLeast } from '../kernel/time.ts'
import { ACTION_PLANNERS } from '../operations/actions.ts'
import { type Answer, carryOut } from '../operations/answer.ts'
import type { Desk } from '../operations/desk.ts'
import type { ActionName, DocumentName, HealthName } from '../operations/table.ts'
import type { Log } from '../ports/log.ts'
import type { AccessCheck } from './access.ts'
import { readBody } from './body.ts'
import { DOCUMENT_READERS, ownDocument } from './documents.ts'
import { isHealthy } from './health.ts'
import { isHealth, type Match, match } from './router.ts'

export interface HandlerOptions {
  readonly desk: Desk
  readonly access: AccessCheck
  readonly log: Log
}

type Found = Extract<Match, { kind: 'found' }>
type Reply = Answer & { readonly headers?: Readonly<Record<string, string>>; readonly close?: true }

/** Switchovers and restarts are waited for; more of them at once than this make no sense. */
const WAITING_MAX = 8

export function createHandler({ desk, access, log }: HandlerOptions) {
  const startedAt = desk.clock.now()
  let waiting = 0

  const perform = async (request: IncomingMessage, found: Found): Promise<Reply> => {
    const { operation, query } = found
    if (isHealth(operation)) {
      const upMs = elapsedAtLeast(startedAt, desk.clock.now())
      return healthReply(desk, operation.name as HealthName, { query, upMs })
    }
    if (operation.access === 'operator') {
      const denied = await access(request)
      // The body of a stranger is not read.
      if (denied) return { ...denied, close: true }
    }
    if (!operation.changes) return DOCUMENT_READERS[operation.name as DocumentName](desk, query)
    if (waiting >= WAITING_MAX)
      return { status: 503, text: 'Too many operations are waited for', close: true }
    waiting += 1
    try {
      return await act(desk, request, found)
    } finally {
      waiting -= 1
    }
  }

  return (request: IncomingMessage, response: ServerResponse): void => {
    const found = match(request.method ?? '', request.url ?? '')
    const reply = found.kind === 'found' ? perform(request, found) : Promise.resolve(notRouted(found))
    reply
      .catch((error: unknown): Reply => {
        log.error('a request failed', { method: request.method, path: request.url, reason: reasonOf(error) })
        return { status: 500, text: 'internal error', close: true }
      })
      .then(answer =>
        send(response, answer, found.kind === 'found' && found.headOnly ? request.method : null),
      )
      .catch(() => response.destroy())
  }
}

function healthReply(
  desk: Desk,
  name: HealthName,
  input: { readonly query: URLSearchParams; readonly upMs: number },
): Reply {
  const status = isHealthy(name, { status: desk.status(), ...input }) ? 200 : 503
  if (name === 'liveness' || name === 'readiness') return { status, text: '' }
  return { status, json: ownDocument(desk) }
}

async function act(desk: Desk, request: IncomingMessage, { operation, query }: Found): Promise<Reply> {
  const body = await readBody(request)
  if (body.kind === 'refused') return { status: body.status, text: body.text, close: true }
  if (operation.body && !operation.bodyOptional && body.value === undefined)
    return { status: 400, text: 'a JSON body is required' }
  const onlyRevision = revisionIn(request.headers['if-match'])
  if (onlyRevision === undefined) return { status: 400, text: 'If-Match is not an ETag of /config' }
  const plan = await ACTION_PLANNERS[operation.name as ActionName](desk, { body: body.value, onlyRevision })
  return carryOut(plan, isAsked(query.get('dry_run')))
}

function isAsked(value: string | null): boolean {
  return value !== null && ['', '1', 'true', 'on', 'yes'].includes(value.toLowerCase())
}

/** undefined: there is one, and it is none of ours. */
function revisionIn(header: string | undefined): bigint | null | undefined {
  if (header === undefined) return null
  const digits = /^"(\d{1,20})"$/.exec(header)?.[1]
  return digits === undefined ? undefined : BigInt(digits)
}

function notRouted(found: Exclude<Match, Found>): Reply {
  if (found.kind === 'unknown') return { status: 404, text: 'there is nothing at this path', close: true }
  if (found.asked === 'OPTIONS') return { status: 204, text: '', headers: { allow: found.allow } }
  return { status: 405, text: `possible here: ${found.allow}`, headers: { allow: found.allow }, close: true }
}

/** `statusOnly`: the method, when only the status is wanted; HEAD still tells how long the body would be. */
function send(response: ServerResponse, reply: Reply, statusOnly: string | null | undefined): void {
  const json = 'json' in reply
  const body = Buffer.from(json ? JSON.stringify(reply.json) : reply.text)
  response.writeHead(reply.status, {
    'content-type': json ? 'application/json' : 'text/plain; charset=utf-8',
    'content-length': statusOnly === 'OPTIONS' ? 0 : body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(json && reply.revision !== undefined && { etag: `"${reply.revision}"` }),
    ...reply.headers,
    // What was not read would be taken for the next request.
    ...(reply.close && { connection: 'close' }),
  })
  response.end(statusOnly ? undefined : body)
}
