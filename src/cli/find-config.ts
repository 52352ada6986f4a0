// Which configuration a command means, when none is named.
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { VigilError } from '../kernel/errors.ts'
import type { Surroundings } from './surroundings.ts'

/**
 * In this order, the first that exists: -c, VIGIL_CONFIG_FILE, PATRONICTL_CONFIG_FILE, the file of the one vigild that
 * runs here, the one file of /etc/vigil, the one file of /etc/patroni. Several in one place: somebody must choose.
 * @throws VigilError USAGE
 */
export async function findConfig(
  named: string | undefined,
  { environment, places }: Pick<Surroundings, 'environment' | 'places'>,
): Promise<string> {
  const given = named ?? (environment['VIGIL_CONFIG_FILE'] || environment['PATRONICTL_CONFIG_FILE'])
  if (given) return given
  const sources = [
    () => runningConfigs(places.proc),
    () => yamlFiles(join(places.etc, 'vigil')),
    () => yamlFiles(join(places.etc, 'patroni')),
  ]
  for (const source of sources) {
    const found = await source()
    if (found.length === 1) return found[0]!
    if (found.length > 1) {
      const list = found.map(file => `  -c ${file}`).join('\n')
      throw new VigilError('USAGE', { message: `There are several members here; name one:\n${list}` })
    }
  }
  throw new VigilError('USAGE', {
    message:
      'No configuration found: no vigild runs here, and there is none in /etc/vigil or /etc/patroni. Name one with -c FILE, or a member with --url http://HOST:8008.',
  })
}

/** From the arguments of running agents. */
async function runningConfigs(proc: string): Promise<readonly string[]> {
  const entries = await readdir(proc).catch(() => [])
  const found = await Promise.all(
    entries.filter(entry => /^\d+$/.test(entry)).map(pid => configOf(join(proc, pid))),
  )
  return [...new Set(found.filter(file => file !== null))].sort()
}

async function configOf(directory: string): Promise<string | null> {
  const text = await readFile(join(directory, 'cmdline'), 'utf8').catch(() => '')
  const words = text.split('\0')
  const program = words.findIndex(word => /(^|\/)vigild(\.mjs)?$/.test(word))
  // Only the program itself or its interpreter: an editor that has a file of that name open is no agent.
  if (program < 0 || (program > 0 && !/(^|\/)node[^/]*$/.test(words[0]!))) return null
  const file = words.slice(program + 1).find(word => word !== '' && !word.startsWith('-'))
  if (file === undefined) return null
  const folder = await readlink(join(directory, 'cwd')).catch(() => '/')
  return resolve(folder, file)
}

async function yamlFiles(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => [])
  return names
    .filter(name => /\.ya?ml$/.test(name))
    .sort()
    .map(name => join(folder, name))
}
