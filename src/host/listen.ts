// Whether this machine would let somebody listen at an address.
import { createServer } from 'node:net'

/** null: it would. Else the code of the system's refusal. */
export function listenObstacle(host: string, port: number): Promise<string | null> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', error => resolve((error as NodeJS.ErrnoException).code ?? error.message))
    server.listen({ host: host === '*' ? '::' : host, port, exclusive: true }, () =>
      server.close(() => resolve(null)),
    )
  })
}
