// JSON from the store, read with suspicion and written compactly: whoever can write there may be anybody.

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string }

/** Deep enough for any configuration; shallow enough for code that walks it recursively. */
export const JSON_DEPTH_MAX = 32

/** Never throws. Refuses texts that are too long or too deep, and objects that could replace a prototype. */
export function parseJson(text: string, lengthMax: number): Parsed<unknown> {
  if (text.length > lengthMax) return refused(`longer than ${lengthMax} characters`)
  if (depthOf(text) > JSON_DEPTH_MAX) return refused(`nested deeper than ${JSON_DEPTH_MAX}`)
  let poisoned = false
  try {
    const value: unknown = JSON.parse(text, (key, inner: unknown) => {
      if (key === '__proto__') poisoned = true
      return inner
    })
    return poisoned ? refused('contains the key __proto__') : { ok: true, value }
  } catch {
    // The parser's sentence quotes the text, which may be a secret or a megabyte.
    return refused('not JSON')
  }
}

/** Compact JSON as Patroni writes it. Integers of any size keep every digit; undefined fields are left out. */
export function compactJson(value: unknown): string {
  if (typeof value === 'bigint') return value.toString()
  if (Array.isArray(value)) return `[${value.map(compactJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return `{${fields.map(([key, inner]) => `${JSON.stringify(key)}:${compactJson(inner)}`).join(',')}}`
}

/** Depth of brackets outside of strings, found without recursion. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let quoted = false
  for (let index = 0; index < text.length; index++) {
    const char = text[index]
    if (quoted) {
      if (char === '\\') index++
      else if (char === '"') quoted = false
    } else if (char === '"') quoted = true
    else if (char === '{' || char === '[') deepest = Math.max(deepest, ++depth)
    else if (char === '}' || char === ']') depth--
  }
  return deepest
}

function refused(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason }
}
