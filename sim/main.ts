// The simulator's command line: one seed readable, many seeds counted, planted mistakes caught.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { catchPlant, catchPlants } from './catch.ts'
import { runMany } from './many.ts'
import { replay } from './replay.ts'
import { planOf, type Script, scriptOf } from './script.ts'
import { shrink } from './shrink.ts'
import { draw, type Plan } from './simulate.ts'
import { serveSeeds } from './worker.ts'

const USAGE = `usage:
  sim --seed N              replay one seed with its log
  sim --seed N --shrink     the fewest faults with which it still fails, as a script
  sim --script FILE         replay such a script with its log
  sim --seeds N [--from M]  run N seeds, print one line of totals
  ... --theme NAME          of this theme or story only
  sim --plant NAME          run with a planted mistake until it is caught
  sim --plants              the same for all of them`

const self = fileURLToPath(import.meta.url)

async function main(): Promise<boolean> {
  const given = process.argv.slice(2)
  const has = (name: string) => given.includes(name)
  const number = (name: string, fallback: number) =>
    has(name) ? wholeNumber(given[given.indexOf(name) + 1]) : fallback
  const theme = has('--theme') ? (given[given.indexOf('--theme') + 1] ?? null) : null
  if (has('--worker')) return serveSeeds()
  if (has('--script')) return replay(planOf(readScript(given[given.indexOf('--script') + 1])))
  if (has('--shrink')) return printShrunk({ seed: number('--seed', 1), theme })
  if (has('--seed')) return replay({ seed: number('--seed', 1), theme })
  if (has('--seeds'))
    return runMany({ program: self, from: number('--from', 1), count: number('--seeds', 1), theme })
  if (has('--plant')) return catchPlant(given[given.indexOf('--plant') + 1] ?? '', self)
  if (has('--plants')) return catchPlants(self)
  console.error(USAGE)
  return false
}

function readScript(path: string | undefined): Script {
  return JSON.parse(readFileSync(path ?? '', 'utf8')) as Script
}

/** True: it failed, and this is the shortest way to it. */
async function printShrunk(plan: Plan): Promise<boolean> {
  const { plan: shortest, invariant, text, runs } = await shrink(plan, draw(plan).scenario.steps)
  if (invariant === null) console.error(`seed ${plan.seed} fails nothing`)
  else {
    console.error(`${invariant} with ${shortest.steps?.length} faults after ${runs} runs: ${text}`)
    console.log(JSON.stringify(scriptOf(shortest), null, 2))
  }
  return invariant !== null
}

function wholeNumber(text: string | undefined): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  console.error(`not a number: ${text}\n${USAGE}`)
  process.exit(2)
}

const good = await main()
process.exit(good ? 0 : 1)
