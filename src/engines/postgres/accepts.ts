// Whether the postmaster still takes new connections and forks: the first answer to a request on a new socket.
import { Socket } from 'node:net'

/** A request for encryption: answered by a forked child before any authentication, and ended without a log line. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
const LIMIT_MS = 5000

/** Any answer counts: S or N from a child, E when it could not be forked. Never throws. */
export function answersConnections(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    const socket = new Socket()
    const end = (answered: boolean) => {
      clearTimeout(limit)
      signal.removeEventListener('abort', giveUp)
      socket.destroy()
      resolve(answered)
    }
    const giveUp = () => end(false)
    const limit = setTimeout(giveUp, LIMIT_MS)
    signal.addEventListener('abort', giveUp, { once: true })
    if (signal.aborted) return giveUp()
    socket.on('error', giveUp)
    socket.on('close', giveUp)
    socket.on('connect', () => socket.write(SSL_REQUEST))
    socket.on('data', data => end(data.length > 0 && 'SNE'.includes(String.fromCharCode(data[0]!))))
    if (host.startsWith('/')) socket.connect(`${host}/.s.PGSQL.${port}`)
    else socket.connect(port, host)
  })
}
