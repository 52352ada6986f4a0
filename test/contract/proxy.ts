// A TCP proxy between a client and a store, with which a test cuts connections and loses answers.
import { once } from 'node:events'
import net from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** Bytes that clients have sent so far. */
  received(): number
  /** Requests get through from now on, answers are thrown away. */
  loseAnswers(): void
  /** Connections are open and nothing gets through in either direction. */
  silence(): void
  /** Cuts every connection and refuses new ones. */
  refuse(): Promise<void>
  /** Cuts every connection; new ones are welcome. */
  cut(): void
  /** Everything works again, over new connections. */
  pass(): Promise<void>
  close(): Promise<void>
}

type Mode = 'pass' | 'lose-answers' | 'silence'

export async function openProxy(target: number): Promise<TcpProxy> {
  let mode: Mode = 'pass'
  let received = 0
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ pauseOnConnect: false }, client => {
    const upstream = net.connect(target, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', chunk => {
      received += chunk.length
      if (mode !== 'silence') upstream.write(chunk)
    })
    upstream.on('data', chunk => {
      if (mode === 'pass') client.write(chunk)
    })
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const cut = () => {
    for (const socket of [...sockets]) socket.destroy()
  }
  await listen(0)
  const { port } = server.address() as net.AddressInfo
  const close = async () => {
    cut()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  return {
    port,
    received: () => received,
    loseAnswers: () => {
      mode = 'lose-answers'
    },
    silence: () => {
      mode = 'silence'
    },
    refuse: close,
    cut,
    pass: async () => {
      // Bytes were swallowed: no old connection may go on in the middle of something.
      cut()
      mode = 'pass'
      if (!server.listening) await listen(port)
    },
    close,
  }
}
