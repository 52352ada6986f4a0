// Runs dependency-cruiser with the project's rules over a tree and returns what it saw.
import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const root = new URL('../..', import.meta.url).pathname

export interface Cruise {
  /** Source files that were looked at, relative to the tree. */
  readonly modules: readonly string[]
  /** `rule: from -> to`. */
  readonly violations: readonly string[]
}

interface CruiseResult {
  readonly modules: readonly { readonly source: string }[]
  readonly summary: { readonly violations: readonly { from: string; to: string; rule: { name: string } }[] }
}

/** Cruises `folders` below `tree`. The exit code counts violations, so it is not looked at. */
export async function cruise(tree: string, folders: readonly string[]): Promise<Cruise> {
  const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  const config = join(root, '.dependency-cruiser.cjs')
  const args = [program, '--config', config, '--output-type', 'json', ...folders]
  const output = await promisify(execFile)(process.execPath, args, { cwd: tree, maxBuffer: 1 << 28 }).then(
    done => done.stdout,
    failed => failed.stdout as string,
  )
  const result = JSON.parse(output) as CruiseResult
  return {
    modules: result.modules.map(module => module.source).filter(source => /^(src|sim)\//.test(source)),
    violations: result.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`),
  }
}

/** TypeScript files below `folder` of `tree`, relative to `tree`. */
export async function typeScriptFiles(tree: string, folder: string): Promise<string[]> {
  const entries = await readdir(join(tree, folder), { withFileTypes: true, recursive: true })
  return entries
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry =>
      join(entry.parentPath, entry.name).slice(tree.endsWith('/') ? tree.length : tree.length + 1),
    )
    .sort()
}
