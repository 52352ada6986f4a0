import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Bundle, bundleWith } from '../../sim/bundle.ts'
import { PLANTS } from '../../sim/plants.ts'
import type { Script } from '../../sim/script.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'vigil-shrink-'))
let bundle: Bundle

before(async () => {
  bundle = await bundleWith(root, PLANTS.find(plant => plant.name === 'absent-key-at-once')!)
})
after(() => {
  bundle?.remove()
  rmSync(directory, { recursive: true, force: true })
})

interface Ended {
  readonly status: number
  readonly out: string
}

function run(...parameters: readonly string[]): Promise<Ended> {
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [bundle.program, ...parameters],
      { maxBuffer: 64 * 1024 * 1024 },
      (error, out) => resolve({ status: error ? Number(error.code ?? 1) : 0, out }),
    )
  })
}

async function failingSeed(): Promise<string> {
  const MANY = 1000
  const FEW = 20
  for (let from = 1; from < MANY; from += FEW) {
    const { out } = await run('--seeds', String(FEW), '--from', String(from), '--theme', 'leader key')
    const seed = /^seed (\d+): I3/m.exec(out)?.[1]
    if (seed) return seed
  }
  assert.fail('no run of it fails')
}

test('a planted failure is shrunk to a handful of faults, and its script fails in the same way', async () => {
  const seed = await failingSeed()
  const shrunk = await run('--seed', seed, '--theme', 'leader key', '--shrink')
  assert.equal(shrunk.status, 0)
  const script = JSON.parse(shrunk.out) as Script
  assert.ok(script.steps.length >= 1 && script.steps.length <= 4, shrunk.out)
  assert.ok(script.steps.some(step => step.fault === 'somebody deletes the leader key'))

  const file = join(directory, 'script.json')
  writeFileSync(file, shrunk.out)
  const replayed = await run('--script', file)
  assert.equal(replayed.status, 1)
  assert.match(replayed.out, /CHECK +I3 violated/)
})
