// The command line's composition root: `vigil VERB`.
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { text } from 'node:stream/consumers'
import { runCli } from '../cli/program.ts'
import type { Surroundings } from '../cli/surroundings.ts'
import { VigilError } from '../kernel/errors.ts'
import { VERSION } from './version.ts'

const interruption = new AbortController()

const surroundings: Surroundings = {
  version: VERSION,
  environment: process.env,
  places: { proc: '/proc', etc: '/etc' },
  out: line => void process.stdout.write(line),
  err: line => void process.stderr.write(line),
  clear: () => {
    if (process.stdout.isTTY) process.stdout.write('\x1b[H\x1b[J')
  },
  interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
  columns: process.stdout.columns ?? 80,
  question,
  input: () => text(process.stdin),
  edit,
  limit: ms => AbortSignal.timeout(ms),
  sleep,
  now: () => performance.now(),
  interrupted: interruption.signal,
}

async function question(asked: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return await lines.question(asked, { signal: interruption.signal })
  } finally {
    lines.close()
  }
}

/** In the operator's own editor, on a file that nobody else can read. */
async function edit(before: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vigil-edit-'))
  const file = join(folder, 'config.yml')
  try {
    await writeFile(file, before, { mode: 0o600 })
    const [program, ...args] = (process.env['VISUAL'] || process.env['EDITOR'] || 'vi').trim().split(/\s+/)
    const editor = spawn(program!, [...args, file], { stdio: 'inherit' })
    const status = await new Promise<number | null>((resolve, reject) => {
      editor.once('error', reject)
      editor.once('exit', resolve)
    }).catch((error: unknown) => {
      throw new VigilError(
        'USAGE',
        { message: `The editor ${program} did not start: set EDITOR` },
        { cause: error },
      )
    })
    if (status !== 0)
      throw new VigilError('REQUEST_REFUSED', { reason: `The editor ended with status ${status}` })
    return await readFile(file, 'utf8')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Ends early on an interrupt, and alone keeps no process alive. */
function sleep(ms: number): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms)
    interruption.signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}

process.once('SIGINT', () => interruption.abort())
// `vigil status | head`: who reads no longer wants no more.
process.stdout.on('error', () => process.exit(0))

runCli(process.argv.slice(2), surroundings)
  .then(status => process.exit(status))
  .catch((error: unknown) => {
    process.stderr.write(
      `vigil: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    process.exit(70)
  })
