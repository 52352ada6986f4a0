// Bundles one TypeScript entry of this checkout and runs it in a child process: faster to start than compiling on the fly.
import { spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { basename, join } from 'node:path'
import { projectRoot, SetupProblem } from './setup.mjs'

/** Runs `entry` (relative to the project) with arguments; resolves with its exit status. */
export async function runBundled(entry, args) {
  const source = join(projectRoot, entry)
  if (!existsSync(source)) throw new SetupProblem(`There is no ${entry} in this checkout.`)
  const output = join(projectRoot, 'build', `${basename(entry, '.ts')}-${process.pid}.mjs`)
  const { build } = await import('esbuild')
  const { bundleOptions } = await import('./build.mjs')
  await build({ ...bundleOptions, entryPoints: [source], outfile: output, sourcemap: 'inline' })
  try {
    return await runProgram(output, args)
  } finally {
    rmSync(output, { force: true })
  }
}

/** Runs `entry` through tsx: for programs that find other files beside their own source. */
export function runSource(entry, args) {
  const source = join(projectRoot, entry)
  if (!existsSync(source)) throw new SetupProblem(`There is no ${entry} in this checkout.`)
  return runProgram(source, args, ['--import', 'tsx'])
}

async function runProgram(file, args, options = ['--enable-source-maps']) {
  const child = spawn(process.execPath, [...options, file, ...args], { cwd: projectRoot, stdio: 'inherit' })
  // The child cleans up; this process waits for it. A terminal's Ctrl-C reaches both, which does no harm.
  const pass = signal => child.kill(signal)
  process.on('SIGINT', pass)
  process.on('SIGTERM', pass)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  })
}
