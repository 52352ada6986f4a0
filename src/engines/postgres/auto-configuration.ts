// postgresql.auto.conf wins over every other file, so what belongs to us must not stand there.
import { join } from 'node:path'
import { readIfPresent, writeDurably } from './durable.ts'
import type { PostgresHost } from './host.ts'
import { belongsToUs } from './parameters.ts'

/** Removes replication and recovery settings that somebody, or a copy, left there. True when there were any. */
export async function cleanAutoConfiguration(host: PostgresHost): Promise<boolean> {
  const path = join(host.options.dataDirectory, 'postgresql.auto.conf')
  const before = await readIfPresent(path)
  if (before === null) return false
  const { kept, removed } = splitAutoConfiguration(before)
  if (removed.length === 0) return false
  await writeDurably(path, kept)
  host.options.log.warn('settings made by ALTER SYSTEM were removed, since they would override the cluster', {
    parameters: removed.join(', '),
  })
  return true
}

export function splitAutoConfiguration(text: string): {
  readonly kept: string
  readonly removed: readonly string[]
} {
  const removed: string[] = []
  const kept = text.split('\n').filter(line => {
    const name = /^\s*([A-Za-z_][A-Za-z0-9_$.]*)\s*[=\s]/.exec(line)?.[1]
    if (name === undefined || !belongsToUs(name)) return true
    removed.push(name.toLowerCase())
    return false
  })
  return { kept: kept.join('\n'), removed }
}
