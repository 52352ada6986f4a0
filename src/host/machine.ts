// Which machine this is: a copied state directory must not pass for the original.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'

/** A digest, since machine-id(5) asks not to publish the number itself. */
export async function machineIdentity(): Promise<string> {
  const id = await readFile('/etc/machine-id', 'utf8').catch(() => '')
  const source = id.trim() || hostname()
  return createHash('sha256').update(`vigil ${source}`).digest('hex').slice(0, 16)
}
