// Debian's Patroni as a product under test, with the same YAML.
import {
  type ClusterSettings,
  configurationOf,
  dataDirectoryOf,
  type Timings,
  writeConfiguration,
} from './configuration.ts'
import { databaseUser, giveTo } from './database-user.ts'
import type { Product } from './member.ts'

/** As Patroni ships. */
export const PATRONI_SHIPPED: Timings = { ttl: 30, loopWait: 10, retryTimeout: 10 }

/**
 * The lowest values that Patroni's rules allow (ttl >= 20, loop_wait >= 1, retry_timeout >= 3,
 * loop_wait + 2 * retry_timeout <= ttl). 3.0.2 does not enforce the minima, later versions raise lower values to them.
 */
export const PATRONI_FASTEST: Timings = { ttl: 20, loopWait: 1, retryTimeout: 3 }

export function patroniProduct(name: string, settings: ClusterSettings): Product {
  const user = databaseUser()
  return {
    name,
    dataDirectory: dataDirectoryOf,
    prepare: host => {
      // Without a watchdog device Patroni goes on by itself; "off" only spares a warning in each cycle.
      const configuration = { ...configurationOf(host, settings), watchdog: { mode: 'off' } }
      return ['patroni', writeConfiguration(host, configuration, path => giveTo(user, path))]
    },
  }
}
