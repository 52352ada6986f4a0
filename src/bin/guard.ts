// The guard's composition root: `guard --state DIRECTORY --data DIRECTORY`, started by the agent in a session of its own.
import { parseArgs } from 'node:util'
import { type RunningGuard, runGuard } from '../guard/main.ts'
import { reasonOf } from '../kernel/errors.ts'

const CRASHED = 70

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { state: { type: 'string' }, data: { type: 'string' } } })
  if (!values.state || !values.data) throw new Error('usage: guard --state DIRECTORY --data DIRECTORY')
  process.umask(0o077)
  let guard: RunningGuard | null = null

  // A bug of ours must not leave an instance behind that nobody watches.
  process.on('uncaughtException', error => {
    guard?.fence()
    process.stderr.write(`${error.stack ?? error}\n`)
    process.exit(CRASHED)
  })
  process.on('SIGINT', () => {})
  process.on('SIGHUP', () => {})
  process.on('SIGTERM', () => guard?.terminate())

  guard = await runGuard({
    stateDirectory: values.state,
    dataDirectory: values.data,
    ended: () => process.exit(0),
  })
  if (!guard) process.exit(0)
}

main().catch(error => {
  process.stderr.write(`${reasonOf(error)}\n`)
  process.exit(1)
})
