// Tests the tests: a mistake is planted into the bundle, and the simulation has to find it.
import { fileURLToPath } from 'node:url'
import { bundleWith } from './bundle.ts'
import { runSeeds, type Seeds } from './many.ts'
import type { Plant } from './plant.ts'
import { PLANTS } from './plants.ts'
import type { RunResult } from './simulate.ts'

const SEEDS_MAX = 2000

/** True: caught. */
export async function catchPlant(name: string, program: string): Promise<boolean> {
  const plant = PLANTS.find(known => known.name === name)
  if (plant) return caught(plant, program)
  console.error(`no such plant: ${name}. Known: ${PLANTS.map(known => known.name).join(', ')}`)
  return false
}

export async function catchPlants(program: string): Promise<boolean> {
  let all = true
  for (const plant of PLANTS) {
    try {
      all = (await caught(plant, program)) && all
    } catch (error) {
      console.log(error instanceof Error ? error.message : String(error))
      all = false
    }
  }
  return all
}

/** Caught is: what it breaks is seen to break, and the same seed is clean without it. */
async function caught(plant: Plant, program: string): Promise<boolean> {
  const startedAt = performance.now()
  const bundle = await bundleWith(sourceRoot(), plant)
  const breaks = (result: RunResult) => result.violations.some(v => plant.breaks.includes(v.invariant))
  try {
    let from = 1
    while (from <= SEEDS_MAX) {
      const count = SEEDS_MAX + 1 - from
      const seeds = { program: bundle.program, from, count, theme: plant.theme ?? null }
      const { results } = await runSeeds({ ...seeds, until: breaks })
      const found = results.find(breaks)
      if (!found) break
      if (await clean({ ...seeds, program, from: found.seed, count: 1 })) {
        const { invariant, text } = found.violations.find(v => plant.breaks.includes(v.invariant))!
        const seconds = ((performance.now() - startedAt) / 1000).toFixed(0)
        console.log(`${plant.name}: caught at seed ${found.seed} by ${invariant} after ${seconds} s: ${text}`)
        return true
      }
      console.log(`${plant.name}: seed ${found.seed} is not clean without it either`)
      from = found.seed + 1
    }
    console.log(`${plant.name}: not caught in ${SEEDS_MAX} seeds`)
    return false
  } finally {
    bundle.remove()
  }
}

async function clean(seeds: Seeds): Promise<boolean> {
  const { results } = await runSeeds(seeds)
  return results.every(result => result.violations.length === 0)
}

/** Where the sources are: the bundle lies one folder below the root, like this file. */
function sourceRoot(): string {
  return fileURLToPath(new URL('..', import.meta.url))
}
