// The command with which the guard starts the postmaster. What must hold whatever the files say stands on it.
import type { InstanceSettings } from '../../ports/engine.ts'
import type { StartCommand } from '../../ports/guard.ts'
import { mainPath } from './configuration.ts'
import { oneLine } from './conninfo.ts'
import type { ControlReader } from './control-data.ts'
import { releaseReservedTimelines } from './history.ts'
import type { PostgresHost } from './host.ts'
import { commandLineParameters } from './parameters.ts'

const READ_LIMIT_MS = 10_000

export async function startCommand(
  host: PostgresHost,
  control: ControlReader,
  settings: InstanceSettings,
): Promise<StartCommand> {
  const { options } = host
  await releaseReservedTimelines(options.dataDirectory)
  const { sharedMemory } = await control.read(AbortSignal.timeout(READ_LIMIT_MS))
  const parameters = {
    listen_addresses: options.listen.addresses,
    port: String(options.listen.port),
    cluster_name: options.scope,
    ...commandLineParameters(settings.parameters, sharedMemory),
  }
  return {
    program: await host.program('postgres'),
    arguments: [
      '-D',
      options.dataDirectory,
      `--config-file=${mainPath(host)}`,
      ...Object.entries(parameters).map(([name, value]) => `--${name}=${oneLine(name, value)}`),
    ],
    environment: host.environment(),
  }
}
