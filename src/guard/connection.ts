// One connection of the agent to its guard: requests, answers, and when the guard was last heard of.
import { connect, type Socket } from 'node:net'
import { elapsedAtMost, type Instant, type Ms } from '../kernel/time.ts'
import type { GuardAnswer, GuardStatus } from '../ports/guard.ts'
import type { GuardMessage } from './model.ts'
import { encode, lineReader, parseReply, type Reply } from './wire.ts'

/** Two echoes missed: the guard is stopped or gone (protocol A6-T1). */
export const ECHO_AGE_MAX_MS = 600

export type Hello = Reply & { readonly kind: 'hello' }

export interface Heard {
  readonly status: GuardStatus
  /** When the guard said it, not when it was read. */
  readonly echoAt: Instant
}

export interface Connection {
  readonly hello: Hello
  /** null: closed, or silent for too long. */
  heard(): Heard | null
  /** However old. */
  last(): Heard
  readonly open: boolean
  request(message: GuardMessage, limit: Ms): Promise<GuardAnswer>
  close(): void
}

export interface ConnectionOptions {
  readonly path: string
  readonly now: () => Instant
  /** Something was heard, or nothing for too long, or the connection is gone. */
  readonly changed: () => void
}

const NO_ANSWER = 'the guard does not answer'

/** Somebody listens and says nothing: a guard that is stopped. */
export function isNoAnswer(error: unknown): boolean {
  return error instanceof Error && error.message === NO_ANSWER
}

/** @throws when nobody listens there, or somebody who does not answer in time. */
export function openConnection({ path, now, changed }: ConnectionOptions): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    const limit = setTimeout(() => socket.destroy(new Error(NO_ANSWER)), ECHO_AGE_MAX_MS)
    let receive = (reply: Reply): void => {
      if (reply.kind !== 'hello') return
      clearTimeout(limit)
      const conversation = converse(socket, reply, now, changed)
      receive = conversation.receive
      resolve(conversation.connection)
    }
    readReplies(socket, reply => receive(reply))
    socket.once('connect', () => socket.write(encode({ id: 0, message: { kind: 'hello' } })))
    // Once it is resolved these change nothing.
    socket.on('error', reject)
    socket.once('close', () => {
      clearTimeout(limit)
      reject(new Error('the guard closed the connection'))
    })
  })
}

interface Conversation {
  readonly connection: Connection
  readonly receive: (reply: Reply) => void
}

function converse(socket: Socket, hello: Hello, now: () => Instant, changed: () => void): Conversation {
  const pending = new Map<number, (answer: GuardAnswer) => void>()
  let last: Heard = { status: hello.status, echoAt: hello.now }
  let counter = 0
  let wasFresh = true
  let watching: NodeJS.Timeout | undefined

  const fresh = () => !socket.destroyed && elapsedAtMost(last.echoAt, now()) <= ECHO_AGE_MAX_MS

  function forsake(reason: string): void {
    for (const settle of pending.values()) settle({ kind: 'lost', reason })
    pending.clear()
  }

  function watch(): void {
    const isFresh = fresh()
    if (isFresh) watchFrom(last.echoAt)
    else forsake('the guard has not been heard of in time')
    if (isFresh !== wasFresh) changed()
    wasFresh = isFresh
  }

  /** Looks again when the last word will be too old. */
  function watchFrom(heardAt: Instant): void {
    clearTimeout(watching)
    const left = ECHO_AGE_MAX_MS - elapsedAtMost(heardAt, now())
    watching = setTimeout(watch, Math.max(0, left) + 1)
    watching.unref()
  }

  watchFrom(last.echoAt)
  socket.once('close', () => {
    clearTimeout(watching)
    forsake('the connection to the guard is gone')
    changed()
  })

  function request(message: GuardMessage, limit: Ms): Promise<GuardAnswer> {
    if (!fresh()) return Promise.resolve({ kind: 'lost', reason: 'the guard has not been heard of in time' })
    const id = ++counter
    return new Promise(resolve => {
      const timer = setTimeout(settle, limit, { kind: 'lost', reason: 'no answer in time' })
      function settle(answer: GuardAnswer): void {
        clearTimeout(timer)
        pending.delete(id)
        resolve(answer)
      }
      pending.set(id, settle)
      socket.write(encode({ id, message }))
    })
  }

  return {
    connection: {
      hello,
      heard: () => (fresh() ? last : null),
      last: () => last,
      get open() {
        return !socket.destroyed
      },
      request,
      close: () => socket.destroy(),
    },
    receive(reply) {
      // Said when they change, and with the first word.
      const { obstacles, forbids } = last.status
      last = { status: { obstacles, forbids, ...reply.status }, echoAt: reply.now }
      if (reply.kind === 'done' || reply.kind === 'refused') pending.get(reply.to)?.(asAnswer(reply))
      const isFresh = fresh()
      // Otherwise a watch is under way, and finds by itself for how long this word is good.
      if (isFresh && !wasFresh) watchFrom(reply.now)
      wasFresh = isFresh
      changed()
    },
  }
}

function asAnswer(reply: Reply & { readonly kind: 'done' | 'refused' }): GuardAnswer {
  const { status } = reply
  return reply.kind === 'done' ? { kind: 'done', status } : { kind: 'refused', reason: reply.reason, status }
}

function readReplies(socket: Socket, heard: (reply: Reply) => void): void {
  const lines = lineReader()
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const complete = lines(chunk)
    if (!complete) return socket.destroy()
    for (const line of complete) {
      const reply = parseReply(line)
      if (!reply) return socket.destroy()
      heard(reply)
    }
  })
}
