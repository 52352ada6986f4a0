// vigil as a product under test: the bundles are copied into the laboratory, where the database user may read them and
// a build in the checkout does not change a running cluster.
import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ClusterSettings,
  configurationOf,
  dataDirectoryOf,
  writeConfiguration,
} from './configuration.ts'
import { databaseUser, giveTo } from './database-user.ts'
import type { Host } from './host.ts'
import type { Product } from './member.ts'
import { readableNode } from './node-program.ts'

const checkout = new URL('../..', import.meta.url).pathname

/**
 * What members may do beside the guard's own kill. `full`: their agents are started as root and give it up, so that
 * cgroup.kill and the gate at the database port are in force.
 */
export type Layers = 'full' | 'none'

/** Installs vigil below `directory` and returns the product that runs it there. */
export function installVigil(directory: string, settings: ClusterSettings, layers: Layers = 'none'): Product {
  const program = copyProgram(directory)
  const node = readableNode(directory)
  const user = databaseUser()
  return {
    name: 'vigil',
    as: layers === 'full' ? 'root' : 'database-user',
    dataDirectory: settings.dataDirectory ?? dataDirectoryOf,
    prepare: host => {
      const state = stateDirectoryOf(host)
      mkdirSync(state, { recursive: true })
      giveTo(user, state)
      const configuration = { ...configurationOf(host, settings), vigil: { state_dir: state } }
      const file = writeConfiguration(host, configuration, path => giveTo(user, path))
      return [node, program, file]
    },
  }
}

export function stateDirectoryOf(host: Host): string {
  return join(host.directory, 'state')
}

function copyProgram(directory: string): string {
  const target = join(directory, 'vigil')
  if (!existsSync(join(checkout, 'dist/vigild.mjs')))
    throw new Error('dist/vigild.mjs is missing: run "npm run build" first')
  for (const part of ['bin', 'dist', 'package.json'])
    cpSync(join(checkout, part), join(target, part), { recursive: true })
  return join(target, 'bin/vigild')
}
