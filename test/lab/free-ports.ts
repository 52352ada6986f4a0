// TCP ports that nobody listens on, found without leaving the current turn: taken all at once, so never twice.
import { execFileSync } from 'node:child_process'

const PROGRAM = `
  const net = require('node:net')
  const count = Number(process.argv[1])
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, '127.0.0.1'))
  Promise.all(servers.map(server => new Promise(done => server.on('listening', done)))).then(() => {
    process.stdout.write(JSON.stringify(servers.map(server => server.address().port)))
    for (const server of servers) server.close()
  })
`

export function freePorts(count: number): readonly number[] {
  return JSON.parse(
    execFileSync(process.execPath, ['-e', PROGRAM, String(count)], { encoding: 'utf8' }),
  ) as number[]
}
