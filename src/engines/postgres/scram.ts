// SCRAM-SHA-256 verifiers as PostgreSQL stores them (RFC 5803), so that no password travels in an SQL text.
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const ITERATIONS = 4096
const SALT_BYTES = 16

export async function scramVerifier(password: string): Promise<string> {
  return verifierWith(password, randomBytes(SALT_BYTES), ITERATIONS)
}

/** Whether a stored verifier belongs to this password; false for other kinds of verifiers. */
export async function verifies(verifier: string | null, password: string): Promise<boolean> {
  const match = /^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$/.exec(
    verifier ?? '',
  )
  if (!verifier || !match) return false
  const expected = Buffer.from(
    await verifierWith(password, Buffer.from(match[2]!, 'base64'), Number(match[1])),
  )
  const found = Buffer.from(verifier)
  return expected.length === found.length && timingSafeEqual(expected, found)
}

async function verifierWith(password: string, salt: Buffer, iterations: number): Promise<string> {
  const salted = await promisify(pbkdf2)(password.normalize('NFKC'), salt, iterations, 32, 'sha256')
  const key = (name: string) => createHmac('sha256', salted).update(name).digest()
  const stored = createHash('sha256').update(key('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${key('Server Key').toString('base64')}`
}
