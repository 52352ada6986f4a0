// npm run chaos: random faults on a real cluster, a judgement of what its clients saw, and a report to read.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { namespacesWork } from '../test/lab/namespaces.ts'
import { drawEpisodes, eligible } from './draw.ts'
import { missingPrograms } from './hurt/programs.ts'
import { HELP, type Options, readOptions } from './options.ts'
import { pageOf } from './report/page.ts'
import type { Report } from './report/report.ts'
import { runChaos } from './run.ts'

const EPISODES_LISTED = 20

process.exitCode = await main()

async function main(): Promise<number> {
  const options = asked()
  if (options === null) return 1
  if (options.list) return list(options)
  if (!namespacesWork()) {
    console.log('skipped: chaos needs network namespaces, so root')
    return 0
  }
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // The second time without healing; the laboratory still removes what it started.
      if (stop.signal.aborted) process.exit(130)
      progress('ending: faults are healed first')
      stop.abort()
    })
  }
  const report = await runChaos(options, stop.signal, progress)
  console.log(summary(report, write(report)))
  return report.findings.length > 0 ? 1 : 0
}

function asked(): Options | null {
  try {
    const options = readOptions(process.argv.slice(2), Date.now() % 1_000_000)
    if (options === null) console.error(HELP)
    return options
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${HELP}`)
    return null
  }
}

function list(options: Options): number {
  const episodes = drawEpisodes(options, eligible(options, missingPrograms()))
  for (let count = 0; count < EPISODES_LISTED; count += 1) console.log(JSON.stringify(episodes.next().value))
  return 0
}

/** Returns the page's path. */
function write(report: Report): string {
  const asked = report.options.reportDirectory
  const directory = asked ?? mkdtempSync(join(tmpdir(), `vigil-chaos-${report.options.seed}-`))
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'report.json'), `${JSON.stringify(report, null, 2)}\n`)
  const page = join(directory, 'report.html')
  writeFileSync(page, pageOf(report))
  return page
}

function summary({ findings, totals, faults, options, seconds, logs }: Report, page: string): string {
  return [
    ...findings.map(({ checker, sentence }) => `VIOLATION (${checker}): ${sentence}`),
    ...(logs === null ? [] : [`logs: ${logs}`]),
    `report: ${page}`,
    `seed ${options.seed}, ${options.mode}, ${seconds.toFixed(0)} s: ${findings.length} violations; ${faults.length} faults, ${totals.terms} terms, ${totals.acknowledged} rows acknowledged, ${totals.lost} lost, ${totals.lists.committed} list transactions, longest stall ${totals.longestStallSeconds.toFixed(1)} s`,
  ].join('\n')
}

function progress(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`)
}
