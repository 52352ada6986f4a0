// libpq's sslmode in terms of Node's TLS.
import { readFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'

/** What to try, in order: false is without encryption. */
export async function tlsAttempts(
  host: string,
  parameters: Readonly<Record<string, string>>,
): Promise<readonly (ConnectionOptions | false)[]> {
  const mode = parameters['sslmode'] ?? 'prefer'
  if (host.startsWith('/') || mode === 'disable') return [false]
  const authority = await fileOrNone(parameters['sslrootcert'])
  const options: ConnectionOptions = {
    ...(authority && { ca: authority }),
    ...(await clientCertificate(parameters)),
    // `require` with a root certificate means `verify-ca`.
    rejectUnauthorized: mode.startsWith('verify') || (mode === 'require' && authority !== null),
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  }
  if (mode === 'prefer') return [options, false]
  if (mode === 'allow') return [false, options]
  return [options]
}

async function clientCertificate(parameters: Readonly<Record<string, string>>): Promise<ConnectionOptions> {
  const certificate = await fileOrNone(parameters['sslcert'])
  const key = await fileOrNone(parameters['sslkey'])
  return certificate && key
    ? { cert: certificate, key, ...(parameters['sslpassword'] && { passphrase: parameters['sslpassword'] }) }
    : {}
}

async function fileOrNone(path: string | undefined): Promise<Buffer | null> {
  return path ? readFile(path) : null
}
