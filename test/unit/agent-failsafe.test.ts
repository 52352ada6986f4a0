// Who asks for promises waits for them no longer than they are worth something.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Context } from '../../src/agent/context.ts'
import { askFailsafe } from '../../src/agent/failsafe.ts'
import { at, NOW } from './core-view.ts'

/** What the member was given to answer, in milliseconds. */
async function patience(deadlineMs: number | null): Promise<number> {
  let given = Number.NaN
  const status = { mode: 'armed', deadline: deadlineMs === null ? null : at(deadlineMs) }
  const context = {
    memory: { failsafe: null },
    membersKnown: [{ name: 'cedar', apiUrl: 'http://cedar', vigil: { install: 'cedar-1' } }],
    ports: {
      clock: {
        now: () => NOW,
        limit: (ms: number) => {
          given = ms
          return new AbortController().signal
        },
      },
      guard: { status: () => ({ status, echoAt: NOW }) },
      peers: { failsafe: async () => ({ kind: 'refused', reason: 'x' }) },
    },
  } as unknown as Context
  const outcome = await askFailsafe(context, {
    kind: 'ask-failsafe',
    installs: ['cedar-1'],
    question: {
      cluster: 'store-1',
      term: 5,
      revision: 90n,
      nonces: [],
      leader: { name: 'birch', install: 'birch-1' },
      ttl: 10_000,
    },
  })
  assert.equal(outcome.kind, 'stopped')
  return given
}

test('a member has a second and a half, and never longer than the deadline: a stopped guard would not keep it', async () => {
  assert.equal(await patience(null), 1500)
  assert.equal(await patience(8000), 1500)
  assert.equal(await patience(400), 400)
  assert.equal(await patience(-100), 1)
})
