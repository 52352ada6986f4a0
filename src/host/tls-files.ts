// PEM files of a TLS client, read into memory.
import { readFile } from 'node:fs/promises'
import { reasonOf, VigilError } from '../kernel/errors.ts'

export interface TlsPaths {
  readonly caFile: string | null
  readonly certificateFile: string | null
  readonly keyFile: string | null
  readonly keyPassword: string | null
}

export interface TlsTexts {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
}

/** @throws VigilError CONFIG_INVALID naming the file */
export async function readTlsFiles(paths: TlsPaths): Promise<TlsTexts> {
  const ca = await read(paths.caFile)
  const cert = await read(paths.certificateFile)
  // A certificate file may hold its key as well.
  const key = (await read(paths.keyFile)) ?? cert
  return {
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(paths.keyPassword ? { passphrase: paths.keyPassword } : {}),
  }
}

async function read(path: string | null): Promise<string | null> {
  if (path === null) return null
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new VigilError(
      'CONFIG_INVALID',
      { message: `${path} can't be read: ${reasonOf(cause)}` },
      { cause },
    )
  }
}
