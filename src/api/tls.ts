// Certificates of the REST interface, read from their files.
import { readFile } from 'node:fs/promises'
import type { ServerOptions } from 'node:https'
import type { RestConfig } from '../config/local-config.ts'
import { reasonOf, VigilError } from '../kernel/errors.ts'

type TlsRules = Pick<RestConfig, 'tls' | 'verifyClient'>

/** @throws VigilError CONFIG_INVALID */
export async function serverTls({ tls, verifyClient }: TlsRules): Promise<ServerOptions> {
  const [cert, key, ca] = await Promise.all([
    read('restapi.certfile', tls.certificateFile),
    // One file may hold both, as Patroni allows.
    read('restapi.keyfile', tls.keyFile ?? tls.certificateFile),
    read('restapi.cafile', tls.caFile),
  ])
  return {
    cert,
    key,
    ...(ca && { ca }),
    ...(tls.keyPassword !== null && { passphrase: tls.keyPassword }),
    requestCert: verifyClient !== 'none',
    rejectUnauthorized: verifyClient === 'required',
    minVersion: 'TLSv1.2',
  }
}

async function read(key: string, file: string | null): Promise<string | undefined> {
  if (file === null) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new VigilError('CONFIG_INVALID', { message: `${key}: ${reasonOf(error)}` }, { cause: error })
  }
}
