// Tests the tests: a mistake is planted into the bundle, and the simulation has to find it.
import { fileURLToPath } from 'node:url'
import { bundleWith } from './bundle.ts'
import { runSeeds } from './many.ts'
import { PLANTS, type Plant } from './plants.ts'

const SEEDS_MAX = 2000

/** True: caught. */
export async function catchPlant(name: string): Promise<boolean> {
  const plant = PLANTS.find(known => known.name === name)
  if (plant) return caught(plant)
  console.error(`no such plant: ${name}. Known: ${PLANTS.map(known => known.name).join(', ')}`)
  return false
}

export async function catchPlants(): Promise<boolean> {
  let all = true
  for (const plant of PLANTS) all = (await caught(plant)) && all
  return all
}

async function caught(plant: Plant): Promise<boolean> {
  const bundle = await bundleWith(sourceRoot(), plant)
  try {
    const seeds = { program: bundle.program, from: 1, count: SEEDS_MAX, untilViolation: true }
    const { results, seconds } = await runSeeds(seeds)
    const found = results.find(result => result.violations.length > 0)
    const violation = found?.violations[0]
    if (!found || !violation) {
      console.log(`${plant.name}: not caught in ${results.length} seeds (${seconds.toFixed(0)} s)`)
      return false
    }
    console.log(`${plant.name}: caught at seed ${found.seed} by ${violation.invariant}: ${violation.text}`)
    return true
  } finally {
    bundle.remove()
  }
}

/** Where the sources are: the bundle in dist lies one folder below the root, like this file. */
function sourceRoot(): string {
  return fileURLToPath(new URL('..', import.meta.url))
}
