// How members are reached: addresses, password and certificates of one configuration.
import { readFile } from 'node:fs/promises'
import { formatAddress, isWildcard } from '../config/address.ts'
import { formatFinding } from '../config/finding.ts'
import { loadConfig } from '../config/load.ts'
import type { Credentials, LocalConfig } from '../config/local-config.ts'
import { reasonOf, VigilError } from '../kernel/errors.ts'
import { basicAuthorization, type ClientTls, createHttpClient, type Reply } from '../operations/ask.ts'
import { findConfig } from './find-config.ts'
import type { Surroundings } from './surroundings.ts'

export interface ConnectionOptions {
  readonly configFile?: string
  readonly urls?: readonly string[]
  readonly insecure?: boolean
}

export interface Request {
  readonly method?: string
  /** Starts with a slash. */
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** With the password; only operations that ask for it. */
  readonly guarded?: boolean
  readonly signal: AbortSignal
}

export interface Connection {
  /** Known before anybody has answered: the configured member, or those named by --url. */
  readonly seeds: readonly string[]
  /** `base` is `http://HOST:PORT`. @throws when no answer came */
  ask(base: string, request: Request): Promise<Reply>
  close(): void
}

/** @throws VigilError USAGE, CONFIG_INVALID */
export async function openConnection(options: ConnectionOptions, around: Surroundings): Promise<Connection> {
  const named = options.urls ?? []
  // Addresses on the command line are enough to look; a configuration adds the password.
  const file = named.length > 0 && !options.configFile ? null : await findConfig(options.configFile, around)
  const config = file === null ? null : await readConfig(file, around)
  const seeds = named.length > 0 ? named.map(baseOf) : [ownAddress(config!)]
  const client = createHttpClient(await tlsOf(config, options.insecure === true))
  const credentials = config && (config.ctl.authentication ?? config.restapi.authentication)
  return {
    seeds,
    ask(base, { path, guarded, headers, ...question }) {
      const password = guarded && credentials ? passwordFor(base, seeds, credentials) : {}
      return client.ask(`${base}${path}`, { ...question, headers: { ...headers, ...password } })
    },
    close: () => client.close(),
  }
}

/** Addresses of other members come from the store: none of them makes us send over plain HTTP what TLS protected. */
function passwordFor(
  base: string,
  seeds: readonly string[],
  credentials: Credentials,
): Record<string, string> {
  const downgraded = base.startsWith('http:') && seeds.every(seed => seed.startsWith('https:'))
  if (downgraded) throw new Error('it asks for plain HTTP, this configuration for HTTPS')
  return { authorization: basicAuthorization(credentials) }
}

/** The part of an address that all paths begin with. @throws VigilError USAGE */
export function baseOf(url: string): string {
  const written = /^https?:\/\//.test(url) ? url : `http://${url}`
  try {
    return new URL(written).origin
  } catch {
    throw new VigilError('USAGE', { message: `"${url}" is not an address such as http://10.0.0.1:8008` })
  }
}

async function readConfig(file: string, { environment }: Surroundings): Promise<LocalConfig> {
  const { config, findings } = await loadConfig({ file, environment })
  if (config) return config
  const errors = findings.filter(finding => finding.severity === 'error').map(formatFinding)
  throw new VigilError('CONFIG_INVALID', { message: errors.join('\n') })
}

function ownAddress({ restapi }: LocalConfig): string {
  const { host, port } = restapi.connectAddress
  return `${restapi.scheme}://${formatAddress({ host: isWildcard(host) ? '127.0.0.1' : host, port })}`
}

async function tlsOf(config: LocalConfig | null, insecure: boolean): Promise<ClientTls> {
  if (!config) return { insecure }
  const { ctl, restapi } = config
  const [ca, cert, key] = await Promise.all([
    readPem(ctl.tls.caFile ?? restapi.tls.caFile),
    readPem(ctl.tls.certificateFile),
    readPem(ctl.tls.keyFile ?? ctl.tls.certificateFile),
  ])
  const { keyPassword } = ctl.tls
  return {
    insecure: insecure || ctl.insecure,
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(keyPassword && { passphrase: keyPassword }),
  }
}

async function readPem(file: string | null): Promise<string | undefined> {
  if (file === null) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new VigilError('CONFIG_INVALID', { message: reasonOf(error) }, { cause: error })
  }
}
