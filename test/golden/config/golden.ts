// Compares what would be printed with a file; UPDATE_GOLDEN=1 writes the file.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** `file` is relative to the root of the project. */
export function golden(file: string, actual: string): void {
  const path = fileURLToPath(new URL(`../../../${file}`, import.meta.url))
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, actual)
  }
  assert.equal(actual, readFileSync(path, 'utf8'), `${file} differs; UPDATE_GOLDEN=1 writes it`)
}
