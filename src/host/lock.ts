// One agent per state directory: whoever listens on its socket is the agent, also while it is stopped.
import { rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { reasonOf, VigilError } from '../kernel/errors.ts'

const SOCKET = 'agent.sock'

/**
 * A stopped agent still owns its socket, and must be killed before another starts; the socket of a dead one refuses.
 * @throws VigilError REQUEST_REFUSED or STATE_DIRECTORY
 */
export async function lockStateDirectory(directory: string): Promise<{ release(): void }> {
  const path = join(directory, SOCKET)
  try {
    let server = await listen(path)
    if (server === null && !(await isLocked(directory))) {
      await rm(path, { force: true })
      server = await listen(path)
    }
    if (server !== null) return { release: () => server.close() }
  } catch (cause) {
    throw new VigilError('STATE_DIRECTORY', { directory, reason: reasonOf(cause) }, { cause })
  }
  const reason = `Another vigild uses ${directory}. Stop it first (a stopped process must be killed); to run a second member here, give it a vigil.state_dir of its own`
  throw new VigilError('REQUEST_REFUSED', { reason })
}

/** Whether an agent works with that state directory, running or stopped. */
export function isLocked(directory: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(join(directory, SOCKET))
    const end = (locked: boolean) => {
      socket.destroy()
      resolve(locked)
    }
    socket.once('connect', () => end(true))
    // The queue of a stopped agent fills up: then it says so instead of accepting.
    socket.once('error', error => end((error as NodeJS.ErrnoException).code === 'EAGAIN'))
  })
}

/** null: something is at that path already. */
function listen(path: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    server.once('error', error => {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') resolve(null)
      else reject(error)
    })
    server.listen(path, () => resolve(server))
    server.unref()
  })
}
