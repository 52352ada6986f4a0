// Imports point down. The rules are proven on planted mistakes first: a cruise that sees nothing also reports nothing.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { cruise, typeScriptFiles } from './cruise.ts'

const root = new URL('../..', import.meta.url).pathname

test('every planted mistake in the layers is found, and nothing else', async () => {
  const tree = await mkdtemp(join(tmpdir(), 'vigil-layers-'))
  try {
    await plant(tree, {
      'src/kernel/lsn.ts': `export const zero = 0\n`,
      'src/kernel/asks-node.ts': `import { readFileSync } from 'node:fs'\nexport const text = readFileSync\n`,
      'src/core/fine.ts': `import { zero } from '../kernel/lsn.ts'\nexport const one = zero + 1\n`,
      'src/core/imports-up.ts': `import type { Loop } from '../agent/loop.ts'\nexport type Up = Loop\n`,
      'src/ports/fine.ts': `export interface Clock { now(): number }\n`,
      'src/agent/loop.ts': `import type { Clock } from '../ports/fine.ts'\nexport type Loop = Clock\n`,
      'src/agent/imports-sideways.ts': `import { store } from '../stores/store.ts'\nexport const used = store\n`,
      'src/stores/store.ts': `import { one } from '../core/fine.ts'\nexport const store = one\n`,
      'src/api/imports-root.ts': `import { started } from '../bin/vigild.ts'\nexport const used = started\n`,
      'src/bin/vigild.ts': `import { store } from '../stores/store.ts'\nexport const started = store\n`,
      'src/agent/imports-test.ts': `import { fake } from '../../test/fake.ts'\nexport const used = fake\n`,
      'src/misc/anything.ts': `import { zero } from '../kernel/lsn.ts'\nexport const used = zero\n`,
      'src/stores/circle.ts': `import { b } from './circle-back.ts'\nexport const a = () => b\n`,
      'src/stores/circle-back.ts': `import { a } from './circle.ts'\nexport const b = () => a\n`,
      'src/stores/lost.ts': `import { nothing } from './not-there.ts'\nexport const used = nothing\n`,
      'test/fake.ts': `export const fake = 1\n`,
    })
    const { violations } = await cruise(tree, ['src'])
    const found = violations.filter(line => !line.startsWith('no-circle')).sort()
    assert.deepEqual(found, [
      'bin-is-the-top: src/api/imports-root.ts -> src/bin/vigild.ts',
      'known-folder: src/misc/anything.ts -> src/kernel/lsn.ts',
      'layer-agent: src/agent/imports-sideways.ts -> src/stores/store.ts',
      'layer-agent: src/agent/imports-test.ts -> test/fake.ts',
      'layer-api: src/api/imports-root.ts -> src/bin/vigild.ts',
      'layer-core: src/core/imports-up.ts -> src/agent/loop.ts',
      'pure-layers: src/kernel/asks-node.ts -> fs',
      'resolvable: src/stores/lost.ts -> ./not-there.ts',
      'shipped-code-only: src/agent/imports-test.ts -> test/fake.ts',
    ])
    assert.ok(violations.some(line => line.startsWith('no-circle: src/stores/circle')))
  } finally {
    await rm(tree, { recursive: true, force: true })
  }
})

test('the sources keep to their layers, and every file was looked at', async () => {
  const files = [...(await typeScriptFiles(root, 'src')), ...(await typeScriptFiles(root, 'sim'))]
  const { modules, violations } = await cruise(root, ['src', 'sim'])
  assert.deepEqual(violations, [])
  const seen = new Set(modules)
  assert.deepEqual(
    files.filter(file => !seen.has(file)),
    [],
  )
  assert.ok(files.length > 10)
})

async function plant(tree: string, files: Readonly<Record<string, string>>): Promise<void> {
  await writeFile(join(tree, 'package.json'), '{ "type": "module" }\n')
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(tree, file)), { recursive: true })
    await writeFile(join(tree, file), text)
  }
}
