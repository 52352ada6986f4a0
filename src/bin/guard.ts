// The guard's composition root: `guard --state DIRECTORY --data DIRECTORY`, started by the agent in a session of its own.
// `--watchdog MODE --device PATH --margin MS` switch a watchdog device on.
import { parseArgs } from 'node:util'
import { type RunningGuard, runGuard } from '../guard/main.ts'
import { reasonOf } from '../kernel/errors.ts'

const CRASHED = 70

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      state: { type: 'string' },
      data: { type: 'string' },
      watchdog: { type: 'string', default: 'off' },
      device: { type: 'string', default: '/dev/watchdog' },
      margin: { type: 'string', default: '' },
    },
  })
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
    watchdog: {
      mode: values.watchdog === 'required' || values.watchdog === 'automatic' ? values.watchdog : 'off',
      device: values.device,
      safetyMarginMs: values.margin === '' ? null : Number(values.margin),
    },
    ended: () => process.exit(0),
  })
  if (!guard) process.exit(0)
}

main().catch(error => {
  process.stderr.write(`${reasonOf(error)}\n`)
  process.exit(1)
})
