// The lock is complete. A registry that lacks packages for other platforms makes npm leave them out of the lock, and
// then `npm ci` refuses it everywhere.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      { readonly version?: string; readonly optionalDependencies?: Readonly<Record<string, string>> }
    >
  >
}

test('a package that the lock leaves out is noticed', () => {
  const lock = {
    packages: {
      'node_modules/a': { optionalDependencies: { b: '1.0.0', c: '1.0.0' } },
      'node_modules/b': { version: '1.0.0' },
    },
  }
  assert.deepEqual(missing(lock), ['c 1.0.0, for node_modules/a'])
})

test('the lock names every optional package of every platform', async () => {
  const lock = JSON.parse(await readFile(new URL('../../package-lock.json', import.meta.url), 'utf8')) as Lock
  assert.ok(Object.keys(lock.packages).length > 50)
  assert.deepEqual(missing(lock), [])
})

function missing(lock: Lock): readonly string[] {
  return Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(
        ([name]) => !lock.packages[`node_modules/${name}`] && !lock.packages[`${path}/node_modules/${name}`],
      )
      .map(([name, version]) => `${name} ${version}, for ${path}`),
  )
}
