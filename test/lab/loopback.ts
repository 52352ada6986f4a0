// Hosts as plain processes on 127.0.0.1 with free ports, for users who may not make network namespaces.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { databaseUser, giveTo } from './database-user.ts'
import { freePorts } from './free-ports.ts'
import { type Host, launchOn, type Purpose } from './host.ts'
import type { Network } from './network.ts'
import { killAll, processesIn } from './processes.ts'
import { closeWorkplace, openWorkplace } from './workplace.ts'

const ADDRESS = '127.0.0.1'
const PURPOSES = ['postgres', 'rest', 'etcd', 'etcdPeer'] as const satisfies readonly Purpose[]

export function openLoopback(names: readonly string[]): Network {
  const workplace = openWorkplace()
  const user = databaseUser()
  const ports = freePorts(names.length * PURPOSES.length)
  const make = (name: string, first: number): Host => {
    const directory = join(workplace.directory, name)
    mkdirSync(directory)
    giveTo(user, directory)
    return {
      name,
      address: ADDRESS,
      directory,
      port: purpose => ports[first + PURPOSES.indexOf(purpose)]!,
      launch: (log, command, options) => launchOn(directory, user, [], log, command, options),
      processes: () => processesIn(directory),
    }
  }
  const hosts = names.map((name, index) => make(name, index * PURPOSES.length))
  const client = make('client', 0)
  const impossible = () => {
    throw new Error('a cable can only be cut between network namespaces: run this as root')
  }
  return {
    kind: 'loopback',
    directory: workplace.directory,
    hosts,
    client,
    subnet: `${ADDRESS}/32`,
    unplug: impossible,
    plug: () => {},
    lose: host => killAll(() => host.processes()),
    cut: impossible,
    mend: () => {},
    partition: impossible,
    cutPort: impossible,
    heal: () => {},
    close: options => closeWorkplace(workplace, options?.keep ?? false),
  }
}
