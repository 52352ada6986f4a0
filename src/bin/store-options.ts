// The store of a member's configuration, as its adapter wants to be told.
import type { LocalConfig } from '../config/local-config.ts'
import { readTlsFiles } from '../host/tls-files.ts'
import type { EtcdOptions } from '../stores/etcd/etcd.ts'

/** @throws VigilError CONFIG_INVALID when a TLS file can't be read */
export async function storeOptions(config: LocalConfig): Promise<EtcdOptions> {
  const { endpoints, credentials } = config.store
  const { ca, cert, key } = await readTlsFiles(config.store.tls)
  const tls = { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) }
  return {
    endpoints,
    ...(Object.keys(tls).length > 0 ? { tls } : {}),
    ...(credentials?.password != null
      ? { credentials: { username: credentials.username, password: credentials.password } }
      : {}),
  }
}
