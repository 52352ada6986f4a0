// The rule table of the documentation is the table that decides.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RULES } from '../../src/core/decide.ts'

const file = fileURLToPath(new URL('../../docs/rules.md', import.meta.url))

const page = `# The rules

Generated from \`src/core/decide.ts\`; \`UPDATE_GOLDEN=1 npm run check\` writes it again. At each tick an agent takes the
first rule that applies. \`vigil explain\` names the rules that applied, and the facts they saw.

| # | rule | when | does |
|---:|---|---|---|
${RULES.map((rule, index) => `| ${index + 1} | \`${rule.id}\` | ${rule.when} | ${rule.does} |`).join('\n')}
`

test('docs/rules.md is the table that decides', () => {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, page)
  assert.equal(readFileSync(file, 'utf8'), page, 'docs/rules.md differs; UPDATE_GOLDEN=1 writes it')
})

test('every rule has a name of its own', () => {
  assert.equal(new Set(RULES.map(rule => rule.id)).size, RULES.length)
})
