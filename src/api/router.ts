// Which operation a request means: exact comparison on the path as it was sent, never decoded or normalised.
import type { Method, Operation } from '../operations/operation.ts'
import { OPERATIONS, type OperationName } from '../operations/table.ts'

export type Named = Operation & { readonly name: OperationName }

export type Match =
  | {
      readonly kind: 'found'
      readonly operation: Named
      readonly headOnly: boolean
      readonly query: URLSearchParams
    }
  /** OPTIONS on something that is no health check, or a method that this path does not have. */
  | { readonly kind: 'other-method'; readonly asked: string; readonly allow: string }
  | { readonly kind: 'unknown' }

const BY_PATH = new Map<string, Named[]>()
for (const operation of OPERATIONS) {
  for (const path of operation.paths) BY_PATH.set(path, [...(BY_PATH.get(path) ?? []), operation])
}

export function match(method: string, target: string): Match {
  const split = target.indexOf('?')
  const path = split < 0 ? target : target.slice(0, split)
  const here = BY_PATH.get(path)
  if (!here) return { kind: 'unknown' }
  const health = here.find(isHealth)
  // Load balancers ask with HEAD or OPTIONS too, and want the status only.
  const wanted: string = method === 'HEAD' || (method === 'OPTIONS' && health) ? 'GET' : method
  const operation = here.find(candidate => candidate.method === wanted)
  if (!operation) return { kind: 'other-method', asked: method, allow: allowed(here) }
  const query = new URLSearchParams(split < 0 ? '' : target.slice(split + 1))
  return { kind: 'found', operation, headOnly: method !== wanted, query }
}

export function isHealth(operation: Operation): boolean {
  return (
    operation.name.startsWith('health-') || operation.name === 'liveness' || operation.name === 'readiness'
  )
}

function allowed(here: readonly Named[]): string {
  const methods = new Set<Method | 'HEAD' | 'OPTIONS'>(here.map(operation => operation.method))
  if (methods.has('GET')) methods.add('HEAD')
  return [...methods.add('OPTIONS')].sort().join(', ')
}
