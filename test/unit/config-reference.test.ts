import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseConfig } from '../../src/config/load.ts'
import { generateReference } from '../../src/config/reference.ts'
import { generateSampleConfig } from '../../src/config/sample.ts'
import { reportFindings } from '../../src/config/validate.ts'
import { golden } from '../golden/config/golden.ts'

test('the reference in the documentation is the table that the code uses', () => {
  golden('docs/configuration.md', generateReference())
})

test('the generated sample is valid without any finding', () => {
  const { config, findings } = parseConfig([{ name: 'sample.yml', text: generateSampleConfig() }])
  assert.deepEqual(findings, [])
  assert.equal(config?.scope, 'main')
})

const examples = new URL('../../examples/', import.meta.url)

for (const name of readdirSync(examples).filter(file => file.endsWith('.yml'))) {
  test(`examples/${name} is accepted`, () => {
    const text = readFileSync(new URL(name, examples), 'utf8')
    const { config, findings } = parseConfig([{ name, text }])
    assert.notEqual(config, null)
    const report = reportFindings(findings, { file: name })
    assert.equal(report.exitCode, 0, report.text)
  })
}
