// What a layer must not touch: time, chance, timers, the process, files, sockets. Each ban is proven on a planted use.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { bannedCalls } from './calls.ts'
import { typeScriptFiles } from './cruise.ts'

const root = new URL('../..', import.meta.url).pathname

const PLANTED: readonly (readonly [file: string, text: string, rule: string])[] = [
  ['src/core/a.ts', 'export const at = Date.now()', 'no time in kernel and core'],
  ['src/kernel/a.ts', 'export const at = new Date(0)', 'no time in kernel and core'],
  ['src/core/a.ts', 'export const roll = Math.random()', 'no randomness outside the clock port'],
  [
    'src/core/a.ts',
    'export const later = (f: () => void) => setTimeout(f, 1)',
    'no timers in kernel and core',
  ],
  ['src/core/a.ts', 'export const pid = process.pid', 'no outside world in kernel and core'],
  ['src/core/a.ts', 'export const at = performance.now()', 'no outside world in kernel and core'],
  ['src/core/a.ts', 'console.log(1)', 'no outside world in kernel and core'],
  [
    'src/core/a.ts',
    `import { readFileSync } from 'node:fs'\nreadFileSync('x')`,
    'no Node modules in kernel and core',
  ],
  ['src/core/a.ts', `import { connect } from 'node:net'\nconnect(1)`, 'no Node modules in kernel and core'],
  [
    'src/kernel/a.ts',
    `export const load = () => import('node:child_process')`,
    'no Node modules in kernel and core',
  ],
  [
    'src/kernel/a.ts',
    `import { randomUUID } from 'node:crypto'\nrandomUUID()`,
    'no randomness outside the clock port',
  ],
  ['src/agent/a.ts', 'export const at = Date.now()', 'time in the agent comes from the clock port'],
  ['src/agent/a.ts', 'export const at = new Date()', 'time in the agent comes from the clock port'],
  ['src/agent/a.ts', 'export const at = process.hrtime()', 'time in the agent comes from the clock port'],
  ['src/agent/a.ts', 'export const id = crypto.randomUUID()', 'no randomness outside the clock port'],
  [
    'src/agent/a.ts',
    'export const later = (f: () => void) => setInterval(f, 1)',
    'timers in the agent come from the clock port',
  ],
  [
    'src/agent/a.ts',
    `import { setTimeout as sleep } from 'node:timers/promises'\nawait sleep(1)`,
    'no outside world in the agent',
  ],
  [
    'src/agent/a.ts',
    `import { spawn } from 'node:child_process'\nspawn('x')`,
    'no outside world in the agent',
  ],
  [
    'src/stores/a.ts',
    'export const home = process.env.HOME',
    'only src/bin reads the arguments, the environment, or ends the process',
  ],
  [
    'src/cli/a.ts',
    `process['exit'](1)`,
    'only src/bin reads the arguments, the environment, or ends the process',
  ],
  ['src/api/a.ts', 'export const loose = (value: any) => value', 'no any'],
  ['sim/a.ts', 'export const loose = 1 as any', 'no any'],
  ['src/agent/a.ts', 'export const testMode = false', 'no test-only switch'],
  ['src/bin/a.ts', `if (process.env.NODE_ENV === 'test') process.exit(0)`, 'no test-only switch'],
  ['src/stores/a.ts', 'export const resetForTests = () => {}', 'no test-only switch'],
]

for (const [file, text, rule] of PLANTED) {
  test(`a planted use is found: ${text.split('\n')[0]} in ${file}`, () => {
    assert.ok(
      bannedCalls(file, text).some(line => line.endsWith(rule)),
      `${rule} was not reported: ${JSON.stringify(bannedCalls(file, text))}`,
    )
  })
}

const ALLOWED: readonly (readonly [file: string, text: string])[] = [
  ['src/core/a.ts', '// Date.now() and setTimeout are words here\nexport const text = "process.exit"'],
  ['src/ports/clock.ts', 'export interface Clock { wallTime(): Date; process: string }'],
  ['src/core/a.ts', 'export const f = (crypto: { process: number }) => crypto.process'],
  ['src/agent/a.ts', 'export const parsed = (text: string) => new Date(text)'],
  [
    'src/agent/a.ts',
    'export const text = "any test will do"; export const latest = 1; export const tested = 2',
  ],
  ['src/bin/a.ts', 'process.exit(Number(process.env.STATUS))'],
]

for (const [file, text] of ALLOWED) {
  test(`a harmless text is left alone: ${text.split('\n')[0]}`, () => {
    assert.deepEqual(bannedCalls(file, text), [])
  })
}

test('the sources call nothing that their layer bans', async () => {
  const files = [...(await typeScriptFiles(root, 'src')), ...(await typeScriptFiles(root, 'sim'))]
  assert.ok(files.length > 10)
  const found = await Promise.all(
    files.map(async file => bannedCalls(file, await readFile(join(root, file), 'utf8'))),
  )
  assert.deepEqual(found.flat(), [])
})
