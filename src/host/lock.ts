// One agent per state directory: whoever listens on its socket is the agent, also while it is stopped.
import { rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { VigilError } from '../kernel/errors.ts'

/**
 * A stopped agent still owns its socket, and must be killed before another starts; the socket of a dead one refuses.
 * @throws VigilError REQUEST_REFUSED
 */
export async function lockStateDirectory(directory: string): Promise<{ release(): void }> {
  const path = join(directory, 'agent.sock')
  if (await answers(path)) {
    const reason = `Another vigild uses ${directory}. Stop it first (a stopped process must be killed)`
    throw new VigilError('REQUEST_REFUSED', { reason })
  }
  await rm(path, { force: true })
  const server = await listen(path)
  return { release: () => server.close() }
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    server.once('error', reject)
    server.listen(path, () => resolve(server))
    server.unref()
  })
}
