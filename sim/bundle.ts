// Bundles the simulator into one file, with a planted mistake if asked: the sources themselves stay as they are.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'
import type { Plant } from './plant.ts'

export interface Bundle {
  readonly program: string
  remove(): void
}

/** Not a constant in the import itself: it can't be bundled, and only plants need it. */
const BUNDLER: string = 'esbuild'

/** @throws when the text that a plant replaces is not there exactly once. */
export async function bundleWith(root: string, plant: Plant): Promise<Bundle> {
  const directory = mkdtempSync(join(tmpdir(), 'vigil-sim-'))
  const program = join(directory, 'sim.mjs')
  const patched = new Set<string>()
  const { build } = (await import(BUNDLER)) as typeof import('esbuild')
  await build({
    entryPoints: [join(root, 'sim/main.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    plugins: [patches(root, plant, patched)],
    logLevel: 'silent',
  })
  const missed = plant.patches.filter(patch => !patched.has(patch.file))
  if (missed.length > 0)
    throw new Error(`plant ${plant.name}: ${missed[0]!.file} is not part of the simulation`)
  return { program, remove: () => rmSync(directory, { recursive: true, force: true }) }
}

function patches(root: string, plant: Plant, patched: Set<string>): Plugin {
  return {
    name: 'planted-mistake',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const mine = plant.patches.filter(patch => join(root, patch.file) === path)
        if (mine.length === 0) return undefined
        let contents = readFileSync(path, 'utf8')
        for (const { file, find, replace } of mine) {
          const times = contents.split(find).length - 1
          if (times !== 1) throw new Error(`plant ${plant.name}: its text is ${times} times in ${file}`)
          contents = contents.replace(find, () => replace)
          patched.add(file)
        }
        return { contents, loader: 'ts' }
      })
    },
  }
}
