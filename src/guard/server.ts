// The guard's one door: a Unix socket that only its user can open, and one agent at a time behind it.
import { lstatSync } from 'node:fs'
import { lstat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { encode, lineReader, parseRequest, type Reply, type Request } from './wire.ts'

/** An agent that does not read is stopped; what it missed would be old news anyway. */
const UNREAD_BYTES_MAX = 64 * 1024
const SILENT_STRANGER_MS = 2000

export interface AgentConnection {
  send(reply: Reply): void
}

export interface Door {
  /** The agent that is connected now. */
  agent(): AgentConnection | null
  /** Whether the path still leads to us. */
  ours(): Promise<boolean>
  close(): Promise<void>
}

/** null: another guard answers there, and is left alone. */
export async function openDoor(
  path: string,
  received: (agent: AgentConnection, request: Request) => void,
): Promise<Door | null> {
  let current: { connection: AgentConnection; socket: Socket } | null = null

  /** The newest agent is right: an old one may be stopped, and would hold the guard for ever. */
  function admit(connection: AgentConnection, socket: Socket): void {
    if (current?.connection === connection) return
    current?.socket.destroy()
    current = { connection, socket }
  }

  function welcome(socket: Socket): void {
    const connection = { send: (reply: Reply) => write(socket, reply) }
    // Who only looks whether we are there, or speaks another language, does not count as an agent.
    socket.setTimeout(SILENT_STRANGER_MS, () => {
      if (current?.socket !== socket) socket.destroy()
    })
    readRequests(socket, request => {
      if (request.message.kind === 'hello') admit(connection, socket)
      if (current?.connection === connection) received(connection, request)
      else socket.destroy()
    })
    // Losing the agent is no reason to do anything: it may come back in time, and the deadline stands.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (current?.socket === socket) current = null
    })
  }

  const bound = await listen(path, welcome)
  if (!bound) return null
  const { server, inode } = bound
  return {
    agent: () => current?.connection ?? null,
    ours: async () => (await inodeOf(path)) === inode,
    async close() {
      current?.socket.end()
      // Closing removes the path, which may be another guard's by now.
      if ((await inodeOf(path)) === inode) server.close()
    },
  }
}

function readRequests(socket: Socket, received: (request: Request) => void): void {
  const lines = lineReader()
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    for (const line of lines(chunk) ?? ['']) {
      const request = parseRequest(line)
      if (!request) return socket.destroy()
      if (!socket.destroyed) received(request)
    }
  })
}

function write(socket: Socket, reply: Reply): void {
  if (socket.destroyed) return
  if (reply.kind === 'status' && socket.writableLength > 0) return
  if (socket.writableLength > UNREAD_BYTES_MAX) socket.destroy()
  else socket.write(encode(reply))
}

interface Bound {
  readonly server: Server
  readonly inode: number | null
}

async function listen(path: string, welcome: (socket: Socket) => void): Promise<Bound | null> {
  const first = await bind(path, welcome)
  if (first) return first
  if (await answers(path)) return null
  await unlink(path)
  return bind(path, welcome)
}

/** null: something is at that path already. */
function bind(path: string, welcome: (socket: Socket) => void): Promise<Bound | null> {
  return new Promise((resolve, reject) => {
    const server = createServer(welcome)
    server.once('error', error => {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') resolve(null)
      else reject(error)
    })
    // The socket gets its mode from umask at its birth: there is no moment in which others could open it.
    const umask = process.umask(0o177)
    let inode: number | null = null
    server.listen(path, () => resolve({ server, inode }))
    process.umask(umask)
    // In the same breath: a moment later another guard may have put its own there.
    inode = lstatSync(path, { throwIfNoEntry: false })?.ino ?? null
  })
}

/** A stopped guard answers too: the kernel accepts for it. */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    const end = (result: boolean) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => end(true))
    socket.once('error', error => end((error as NodeJS.ErrnoException).code === 'EAGAIN'))
  })
}

async function inodeOf(path: string): Promise<number | null> {
  return lstat(path).then(
    found => found.ino,
    () => null,
  )
}
