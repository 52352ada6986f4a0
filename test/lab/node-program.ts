// Programs of ours for a host of the laboratory: one file below its directory, and a Node.js that its user may run.
import { chmodSync, copyFileSync, existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'

/** Bundles a TypeScript file into `directory` and returns the command that runs it. */
export async function bundleProgram(
  directory: string,
  name: string,
  source: URL,
): Promise<readonly string[]> {
  const outfile = join(directory, `${name}.mjs`)
  await build({
    entryPoints: [source.pathname],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: ['pg-native'],
    // CommonJS packages inside an ES module still call require() for Node's own modules.
    banner: {
      js: `import{createRequire as bundleRequire}from'node:module';const require=bundleRequire(import.meta.url);`,
    },
    logLevel: 'warning',
  })
  return [readableNode(directory), outfile]
}

/** This Node.js, or a copy in `directory` where other users can't reach it (an installation below /root, say). */
export function readableNode(directory: string): string {
  if (parents(process.execPath).every(worldMayEnter)) return process.execPath
  const copy = join(directory, 'node')
  if (!existsSync(copy)) copyFileSync(process.execPath, copy)
  chmodSync(copy, 0o755)
  return copy
}

function parents(path: string): readonly string[] {
  const up = dirname(path)
  return up === path ? [path] : [path, ...parents(up)]
}

function worldMayEnter(path: string): boolean {
  return (statSync(path).mode & 0o001) !== 0
}
