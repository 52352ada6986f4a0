// Stages of `npm test` and `npm run check`: each prints a line while it runs and its result; the totals come last.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { projectRoot } from './setup.mjs'

const LINES_SHOWN = 60
const OUTPUT_KEPT = 400

/** A stage that is one program: passed when it exits with 0. */
export function programStage(name, command, { limitMinutes = 5 } = {}) {
  return {
    name,
    run: async () => {
      const lines = []
      const status = await runLines(command, limitMinutes, line => lines.push(line))
      const summary = lines.findLast(line => line.trim() !== '') ?? ''
      if (status === 0) return { passed: 1, failed: 0, summary, details: [] }
      return { passed: 0, failed: 1, summary: `exit code ${status}`, details: lines.slice(-LINES_SHOWN) }
    },
  }
}

/** A stage of node:test files: every test counts. `serial` where tests start real clusters. */
export function testStage(
  name,
  directories,
  { serial = false, limitMinutes = 10, depth = Number.POSITIVE_INFINITY } = {},
) {
  return {
    name,
    run: async progress => {
      const files = directories.flatMap(directory => testFiles(join(projectRoot, directory), depth))
      if (files.length === 0)
        return { passed: 0, failed: 1, summary: `no test files in ${directories.join(', ')}`, details: [] }
      return runTests(files, { serial, limitMinutes, progress })
    },
  }
}

/** Runs the stages in order; true when nothing failed. */
export async function runStages(stages) {
  const totals = { passed: 0, failed: 0, skipped: 0 }
  for (const stage of stages) {
    const startedAt = performance.now()
    const show = liveLine(stage.name, startedAt)
    const result = await stage.run(show.progress)
    show.done()
    totals.passed += result.passed
    totals.failed += result.failed
    totals.skipped += result.skipped ?? 0
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    console.log(
      `${stage.name.padEnd(12)} ${result.failed === 0 ? 'ok    ' : 'FAILED'} ${seconds.padStart(6)} s  ${result.summary}`,
    )
    for (const line of result.details) console.log(`    ${line}`)
  }
  if (totals.skipped > 0) console.log(`${totals.skipped} skipped: see above for what they need`)
  console.log(`${totals.passed} passed, ${totals.failed} failed`)
  return totals.failed === 0
}

/** A program of this project's packages. */
export function packageProgram(name) {
  return join(projectRoot, 'node_modules', '.bin', name)
}

async function runTests(files, { serial, limitMinutes, progress }) {
  const tally = { passed: 0, failed: 0, skipped: 0 }
  const details = []
  const output = []
  const take = line => {
    const event = parseEvent(line)
    if (event === null || event.kind === 'output') {
      output.push(event?.text.trimEnd() ?? line)
      if (output.length > OUTPUT_KEPT) output.shift()
      return
    }
    tally[event.kind] += 1
    const where = event.file ? relative(projectRoot, event.file) : ''
    if (event.kind === 'failed')
      details.push(`not ok: ${event.name}  (${where})`, ...event.error.split('\n').map(text => `    ${text}`))
    if (event.kind === 'skipped')
      details.push(`skipped: ${event.name}${event.reason ? `: ${event.reason}` : ''}`)
    progress(`${tally.passed} passed, ${tally.failed} failed; last: ${event.name}`)
  }
  const reporter = join(projectRoot, 'scripts/reporter.mjs')
  // They wait more than they compute.
  const concurrency = serial ? 1 : 4
  const options = [
    '--import',
    'tsx',
    '--test',
    `--test-reporter=${reporter}`,
    '--test-reporter-destination=stdout',
    `--test-concurrency=${concurrency}`,
  ]
  const status = await runLines([process.execPath, ...options, ...files], limitMinutes, take)
  const unexplained = status !== 0 && tally.failed === 0
  const empty = tally.passed + tally.failed + tally.skipped === 0
  if (unexplained || empty) {
    tally.failed += 1
    details.push(empty ? 'no test was reported' : `the test runner ended with ${status}`)
  }
  if (tally.failed > 0 && output.length > 0)
    details.push('output of the tests:', ...output.slice(-LINES_SHOWN).map(text => `    ${text}`))
  const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : ''
  return { ...tally, details, summary: `${tally.passed} passed, ${tally.failed} failed${skipped}` }
}

function parseEvent(line) {
  if (!line.startsWith('{"kind":')) return null
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}

/** Runs a program in its own process group, line by line; past the limit the whole group is killed. */
function runLines([program, ...args], limitMinutes, take) {
  return new Promise(resolve => {
    const child = spawn(program, args, {
      cwd: projectRoot,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const killGroup = () => {
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // Already gone.
      }
    }
    const timer = setTimeout(() => {
      take(`stopped after ${limitMinutes} minutes`)
      killGroup()
    }, limitMinutes * 60_000)
    // In a group of its own the child does not hear the terminal's Ctrl-C.
    const interrupted = signal => {
      try {
        process.kill(-child.pid, signal)
      } catch {
        // Already gone.
      }
      setTimeout(() => process.exit(130), 5000).unref()
      child.once('close', () => process.exit(130))
    }
    process.once('SIGINT', interrupted)
    process.once('SIGTERM', interrupted)
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', take)
    child.on('error', error => take(error.message))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      process.removeListener('SIGINT', interrupted)
      process.removeListener('SIGTERM', interrupted)
      resolve(code ?? signal ?? 'an error at start')
    })
  })
}

function testFiles(directory, depth) {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { withFileTypes: true })
    .flatMap(entry => {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) return depth > 0 ? testFiles(path, depth - 1) : []
      return entry.name.endsWith('.test.ts') ? [path] : []
    })
    .sort()
}

/** On a terminal one line that is rewritten; elsewhere one line at the start and one a minute. */
function liveLine(name, startedAt) {
  let latest = ''
  const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`
  if (process.stdout.isTTY) {
    const width = () => (process.stdout.columns ?? 80) - 1
    const draw = () =>
      process.stdout.write(
        `\r\u001b[K${`${name.padEnd(12)} ...    ${seconds()}  ${latest}`.slice(0, width())}`,
      )
    draw()
    const timer = setInterval(draw, 500)
    return {
      progress: text => {
        latest = text
      },
      done: () => {
        clearInterval(timer)
        process.stdout.write('\r\u001b[K')
      },
    }
  }
  console.log(`${name.padEnd(12)} ...`)
  const timer = setInterval(() => console.log(`${name.padEnd(12)} ... ${seconds()}  ${latest}`), 60_000)
  return {
    progress: text => {
      latest = text
    },
    done: () => clearInterval(timer),
  }
}
