// Parameters that the installed PostgreSQL does not know: one of them in the file, and nothing starts.
import { run } from './run.ts'

const LIMIT_MS = 10_000

/** What it takes to ask the program. */
export interface Asked {
  readonly program: string
  readonly dataDirectory: string
  readonly environment: Record<string, string>
}

/** Of some names, those that the program refuses. Everything counts as known when it can't be asked. */
export type UnknownParameters = (names: readonly string[], asked: Asked) => Promise<readonly string[]>

/** Asks once for each program and name. */
export function unknownParameters(): UnknownParameters {
  const lists = new Map<string, ReadonlySet<string>>()
  const judged = new Map<string, boolean>()
  return async (names, asked) => {
    const list = lists.get(asked.program) ?? (await listedNames(asked))
    lists.set(asked.program, list)
    const unknown: string[] = []
    for (const name of names) {
      // With a dot it belongs to an extension, and any is accepted.
      if (list.size === 0 || list.has(name) || name.includes('.')) continue
      const key = `${asked.program} ${name}`
      const accepted = judged.get(key) ?? (await isAccepted(name, asked))
      judged.set(key, accepted)
      if (!accepted) unknown.push(name)
    }
    return unknown
  }
}

/** Not all: what has no place in the sample file is missing here. */
async function listedNames({ program, environment }: Asked): Promise<ReadonlySet<string>> {
  const limit = { environment, signal: AbortSignal.timeout(LIMIT_MS) }
  const { code, output } = await run(program, ['--describe-config'], limit)
  return new Set(
    code === 0 ? output.split('\n').flatMap(line => line.split('\t')[0]?.toLowerCase() || []) : [],
  )
}

async function isAccepted(name: string, asked: Asked): Promise<boolean> {
  const limit = { environment: asked.environment, signal: AbortSignal.timeout(LIMIT_MS) }
  const args = ['-D', asked.dataDirectory, '--config-file=/dev/null', '-C', name]
  const { errors } = await run(asked.program, args, limit)
  return !/unrecognized configuration parameter/.test(errors)
}
