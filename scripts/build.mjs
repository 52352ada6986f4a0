// Bundles the programs of src/bin into dist, one file each; does nothing when dist is newer than the sources.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const PROGRAMS = ['vigild', 'vigil', 'guard']

/** Shared by every bundle: Node 20, ES modules, packages inside; `pg` only looks for its native driver and lives without. */
export const bundleOptions = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  external: ['pg-native'],
  // `pg` makes one to see whether it runs in a browser's worker, and Node then loads its whole fetch for it.
  define: { Response: 'undefined' },
  // CommonJS packages inside an ES module still call require() for Node's own modules.
  banner: {
    js: [
      `import{createRequire as bundleRequire}from'node:module';import{fileURLToPath as bundlePath}from'node:url';`,
      `const require=bundleRequire(import.meta.url),__filename=bundlePath(import.meta.url),__dirname=bundlePath(new URL('.',import.meta.url));`,
    ].join(''),
  },
  logLevel: 'warning',
}

/** Builds what is out of date; true when something was built. */
export async function build({ force = false } = {}) {
  const programs = PROGRAMS.filter(name => existsSync(join(root, 'src/bin', `${name}.ts`)))
  if (!force && upToDate(programs)) return false
  const { build: bundle } = await import('esbuild')
  const startedAt = new Date()
  // A folder of its own: several commands may build at once.
  const workshop = join(root, 'build', `dist-${process.pid}`)
  await bundle({
    ...bundleOptions,
    entryPoints: programs.map(name => join(root, 'src/bin', `${name}.ts`)),
    outdir: workshop,
    outExtension: { '.js': '.mjs' },
    minify: true,
    sourcemap: 'external',
  })
  publish(programs, workshop, startedAt)
  return true
}

/** Replaces by rename, so that a program that starts at this moment gets a whole file. */
function publish(programs, workshop, startedAt) {
  mkdirSync(join(root, 'dist'), { recursive: true })
  for (const name of programs) {
    for (const file of [`${name}.mjs.map`, `${name}.mjs`]) {
      // Dated to the build's start: a source saved meanwhile counts as newer.
      utimesSync(join(workshop, file), startedAt, startedAt)
      renameSync(join(workshop, file), join(root, 'dist', file))
    }
  }
  rmSync(workshop, { recursive: true, force: true })
}

function upToDate(programs) {
  const bundles = programs.map(name => join(root, 'dist', `${name}.mjs`))
  if (!bundles.every(file => existsSync(file))) return false
  const oldest = Math.min(...bundles.map(file => statSync(file).mtimeMs))
  return (
    newestChange(join(root, 'src')) < oldest && sourcesBeside().every(file => statSync(file).mtimeMs < oldest)
  )
}

function sourcesBeside() {
  return ['scripts/build.mjs', 'package-lock.json'].map(file => join(root, file))
}

function newestChange(directory) {
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true })
  return Math.max(...entries.map(entry => statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs))
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const startedAt = performance.now()
  const built = await build({ force: process.argv.includes('--force') })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(2)
  console.log(built ? `built dist in ${seconds} s` : 'dist is up to date')
}
