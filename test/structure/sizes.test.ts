// Files stay readable.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { countLines, judgeSizes } from './sizes.ts'

const root = new URL('../..', import.meta.url).pathname

test('a file of 401 lines fails, one of 301 is a warning, one of 300 is neither', () => {
  const judged = judgeSizes([
    { file: 'a.ts', lines: countLines('x\n'.repeat(401)) },
    { file: 'b.ts', lines: countLines('x\n'.repeat(400)) },
    { file: 'c.ts', lines: countLines('x\n'.repeat(301)) },
    { file: 'd.ts', lines: countLines(`${'x\n'.repeat(299)}x`) },
  ])
  assert.deepEqual(judged, {
    tooLong: ['a.ts: 401 lines'],
    long: ['b.ts: 400 lines', 'c.ts: 301 lines'],
  })
})

test('no file is longer than 400 lines', async context => {
  const folders = ['src', 'sim', 'bench', 'chaos', 'test', 'scripts'].filter(folder =>
    existsSync(join(root, folder)),
  )
  const files = (await Promise.all(folders.map(sourceFiles))).flat()
  assert.ok(files.length > 20)
  const sized = await Promise.all(
    files.map(async file => ({ file, lines: countLines(await readFile(join(root, file), 'utf8')) })),
  )
  const judged = judgeSizes(sized)
  for (const line of judged.long) context.diagnostic(`worth a thought: ${line}`)
  assert.deepEqual(judged.tooLong, [])
})

async function sourceFiles(folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true, recursive: true })
  return entries
    .filter(entry => entry.isFile() && /\.(ts|mjs|cjs)$/.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name).slice(root.length))
}
