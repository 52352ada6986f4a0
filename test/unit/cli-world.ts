// A small cluster for the command line: real REST servers with fake agents behind them, and members that don't answer.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { runCli } from '../../src/cli/program.ts'
import type { Surroundings } from '../../src/cli/surroundings.ts'
import type { ClusterState, MemberRecord } from '../../src/core/cluster.ts'
import {
  cluster,
  createWorld,
  member,
  openRest,
  serve,
  type ViewChange,
  view,
  type World,
} from './api-world.ts'

export const NAMES = ['amber', 'birch', 'cedar'] as const
export type Name = (typeof NAMES)[number]

export interface LabOptions {
  /** Members that accept connections and never answer. */
  readonly dead?: readonly Name[]
  readonly views?: Partial<Record<Name, ViewChange>>
  readonly members?: Partial<Record<Name, Partial<MemberRecord>>>
  readonly cluster?: Partial<ClusterState>
  readonly rest?: typeof openRest
}

export interface Lab {
  readonly worlds: Readonly<Record<Name, World>>
  readonly urls: Readonly<Record<Name, string>>
  vigil(args: readonly string[], terminal?: TerminalOptions): Promise<Result>
}

export interface TerminalOptions {
  /** What somebody at a terminal answers, question by question; without it there is no terminal. */
  readonly answers?: readonly string[]
  readonly input?: string
  readonly edit?: (text: string) => string
  readonly environment?: Readonly<Record<string, string>>
  readonly places?: { readonly proc: string; readonly etc: string }
  readonly url?: string | null
}

export interface Result {
  readonly exit: number
  readonly out: string
  readonly err: string
  readonly asked: readonly string[]
}

export async function openLab(t: TestContext, options: LabOptions = {}): Promise<Lab> {
  const worlds = {} as Record<Name, World>
  const ports = {} as Record<Name, number>
  for (const name of NAMES) {
    worlds[name] = await createWorld()
    if (options.dead?.includes(name)) ports[name] = await silentPort(t)
    else {
      const { server, port } = await serve(worlds[name], options.rest ?? openRest)
      t.after(() => server.close())
      ports[name] = port
    }
  }
  const members = NAMES.map(name => ({
    value: member(name, ports[name], options.members?.[name]),
    modRevision: 7n,
  }))
  const state = cluster({ members, ...options.cluster })
  for (const name of NAMES)
    worlds[name].show(() => view({ name, port: ports[name], cluster: state, ...options.views?.[name] }))
  const urls = Object.fromEntries(NAMES.map(name => [name, `http://127.0.0.1:${ports[name]}`])) as Record<
    Name,
    string
  >
  return {
    worlds,
    urls,
    vigil: (args, terminal = {}) => {
      const { url = urls.amber } = terminal
      return runIn(t, url === null ? args : ['--url', url, ...args], terminal)
    },
  }
}

export async function runIn(
  t: TestContext,
  args: readonly string[],
  terminal: TerminalOptions = {},
): Promise<Result> {
  const empty = mkdtempSync(join(tmpdir(), 'vigil-cli-'))
  t.after(() => rmSync(empty, { recursive: true, force: true }))
  let out = ''
  let err = ''
  const asked: string[] = []
  const answers = [...(terminal.answers ?? [])]
  const around: Surroundings = {
    version: '0.1.0',
    environment: terminal.environment ?? {},
    places: terminal.places ?? { proc: empty, etc: empty },
    out: text => {
      out += text
    },
    err: text => {
      err += text
    },
    clear: () => {},
    interactive: terminal.answers !== undefined,
    columns: 80,
    question: async text => {
      asked.push(text)
      assert.ok(answers.length > 0, `nobody expected the question: ${text}`)
      return answers.shift()!
    },
    input: async () => terminal.input ?? '',
    edit: async text => (terminal.edit ?? (same => same))(text),
    limit: ms => AbortSignal.timeout(ms),
    sleep: ms =>
      new Promise(resolve => {
        setTimeout(resolve, ms).unref()
      }),
    now: () => performance.now(),
    interrupted: new AbortController().signal,
  }
  const exit = await runCli(args, around)
  return { exit, out, err, asked }
}

/** A port that accepts and never says a word. */
export async function silentPort(t: TestContext): Promise<number> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as net.AddressInfo).port
}

/** A port on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
