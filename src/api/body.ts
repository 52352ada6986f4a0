// The body of a request: bounded in size and in time, JSON, harmless to merge.
import type { IncomingMessage } from 'node:http'

export const BODY_BYTES_MAX = 64 * 1024

/** What the store's reader takes, or the written value could never be read again. */
const DEPTH_MAX = 30

export type Body =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly status: 400 | 413; readonly text: string }

/** An empty body is undefined. Time is bounded by the server's request timeout. */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const text = await readText(request)
  if (text === null) {
    return { kind: 'refused', status: 413, text: `the body is larger than ${BODY_BYTES_MAX} bytes` }
  }
  return text.trim() === '' ? { kind: 'json', value: undefined } : parse(text)
}

/** null: too long. The rest is left unread, and the connection intact for the answer. */
function readText(request: IncomingMessage): Promise<string | null> {
  if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX) return Promise.resolve(null)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= BODY_BYTES_MAX) chunks.push(chunk)
      else {
        request.pause()
        resolve(null)
      }
    })
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    request.on('error', reject)
    request.on('close', () => reject(new Error('the client broke off')))
  })
}

function parse(text: string): Body {
  let poisoned = false
  try {
    const value: unknown = JSON.parse(text, (key, inner: unknown) => {
      if (key === '__proto__') poisoned = true
      return inner
    })
    if (poisoned) return bad('the body has a key __proto__')
    return isDeeper(value, DEPTH_MAX) ? bad('the body is nested too deeply') : { kind: 'json', value }
  } catch {
    return bad('the body is not JSON')
  }
}

function isDeeper(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return limit === 0 || Object.values(value).some(inner => isDeeper(inner, limit - 1))
}

function bad(text: string): Body {
  return { kind: 'refused', status: 400, text }
}
