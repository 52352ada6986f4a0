// What the command line shows: screens of 80 columns, JSON, and members that do not answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from 'commander'
import { createProgram } from '../../src/cli/program.ts'
import { sentenceFor } from '../../src/cli/reasons.ts'
import { RULES } from '../../src/core/decide.ts'
import type { Evidence } from '../../src/core/evidence.ts'
import type { RecordedDecision } from '../../src/core/recorded-decision.ts'
import { lsn } from '../../src/kernel/lsn.ts'
import { golden } from '../golden/config/golden.ts'
import { at, config, realNow, record } from './api-world.ts'
import { closedPort, type LabOptions, openLab, runIn, silentPort } from './cli-world.ts'

/** Durations go on while the test runs; ports are whatever is free. */
function steady(text: string): string {
  return text
    .replace(/Deadline in \d+\.\d s/, 'Deadline in 8.0 s')
    .replace(/silent for \d+(\.\d)? s/g, 'silent for 0.3 s')
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
}

const released = { value: { ...record, state: 'released', successor: 'birch' } as const, modRevision: 7n }

const cloning = {
  instance: null,
  job: {
    order: {
      kind: 'clone',
      from: { name: 'amber', host: '10.0.0.1', port: 5432 },
      systemIdentifier: '7',
      seat: 's',
    },
    startedAt: realNow(),
    progress: { bytesDone: 250, bytesTotal: 1000 },
    state: 'running',
  },
} as const

const SCREENS: Readonly<Record<string, LabOptions>> = {
  healthy: {},
  'dead-member': { dead: ['cedar'] },
  cloning: {
    views: { cedar: cloning },
    members: {
      cedar: {
        state: 'creating replica',
        replicationState: null,
        xlogLocation: null,
        receiveLsn: null,
        replayLsn: null,
        timeline: null,
      },
    },
  },
  'no-leader': {
    cluster: { term: released, leader: null },
    views: { amber: { instance: null } },
    members: { amber: { state: 'stopped', role: 'replica' } },
  },
  attention: {
    cluster: {
      config: { value: { ...config, pause: true }, modRevision: 7n },
      failover: {
        value: { leader: 'amber', member: 'birch', scheduledAt: '2030-05-02T03:00:00+00:00' },
        modRevision: 8n,
      },
      damaged: [{ key: '/service/main/history', reason: 'not JSON' }],
    },
    views: {
      amber: { pendingRestart: { max_connections: { oldValue: '100', newValue: '200' } } },
      birch: { tags: { nofailover: true } },
      cedar: { guard: null },
    },
    members: { birch: { tags: { nofailover: true }, xlogLocation: at('0/4000000') } },
  },
}

for (const [name, options] of Object.entries(SCREENS)) {
  test(`the status of a cluster that is ${name}`, async t => {
    const lab = await openLab(t, options)
    const { exit, out, err } = await lab.vigil(['status'])
    assert.equal(exit, 0)
    assert.equal(err, '')
    for (const line of out.split('\n').slice(4))
      if (!/^(ALARM|note)/.test(line)) assert.ok(line.length <= 80, line)
    golden(`test/golden/cli/status-${name}.txt`, steady(out))
  })
}

test('list is status, and whoever names the cluster is understood', async t => {
  const lab = await openLab(t)
  const { out } = await lab.vigil(['list', 'main'])
  assert.equal(steady(out), steady((await lab.vigil(['status'])).out))
})

test('the status as JSON has a stable shape, also for a member that does not answer', async t => {
  const lab = await openLab(t, { dead: ['cedar'] })
  const { exit, out } = await lab.vigil(['status', '--json'])
  assert.equal(exit, 0)
  const found = JSON.parse(out, (key, value) =>
    /_ms$/.test(key) && typeof value === 'number'
      ? 0
      : key === 'api_url'
        ? 'http://HOST:PORT/patroni'
        : value,
  )
  golden('test/golden/cli/status.json', `${JSON.stringify(found, null, 2)}\n`)
})

test('any member can be asked, also one that does not lead', async t => {
  const lab = await openLab(t, { dead: ['amber'] })
  const { exit, out } = await lab.vigil(['status'], { url: lab.urls.birch })
  assert.equal(exit, 0)
  assert.match(out, /amber .*no answer/)
})

test('of several addresses the first that answers is enough', async t => {
  const lab = await openLab(t)
  const dead = `http://127.0.0.1:${await silentPort(t)}`
  const { exit, out } = await lab.vigil(['-u', dead, 'status'], { url: lab.urls.birch })
  assert.equal(exit, 0)
  assert.match(out, /^Cluster main/)
})

test('nobody at all is exit status 2, with the addresses that were tried', async t => {
  const refused = `http://127.0.0.1:${await closedPort()}`
  const silent = `http://127.0.0.1:${await silentPort(t)}`
  for (const url of [refused, silent]) {
    for (const args of [
      ['status'],
      ['status', '--json'],
      ['switchover', '--yes'],
      ['show-config'],
      ['explain'],
      ['history'],
      ['logs'],
    ]) {
      const { exit, out, err } = await runIn(t, ['-u', url, ...args])
      assert.equal(exit, 2, args.join(' '))
      assert.equal(out, '')
      assert.ok(err.includes(url), err)
    }
  }
})

test('a member that is slow to answer is named before it is waited for any longer', async t => {
  const silent = `http://127.0.0.1:${await silentPort(t)}`
  const { err } = await runIn(t, ['-u', silent, 'status'])
  assert.match(err, /^waiting for http/)
})

test('escape sequences that a member sends do not reach the terminal', async t => {
  const lab = await openLab(t, { members: { birch: { tags: { zone: '\u001b[2J\u009b1mnorth' } } } })
  const { out } = await lab.vigil(['status'])
  assert.match(out, /north/)
  assert.ok(!out.includes('\u001b') && !out.includes('\u009b'))
})

test('the history of timelines', async t => {
  const lab = await openLab(t)
  golden('test/golden/cli/history.txt', (await lab.vigil(['history'])).out)
  const rows = JSON.parse((await lab.vigil(['history', '--json'])).out)
  assert.deepEqual(rows[0], {
    timeline: 1,
    lsn: '0/30000A0',
    reason: 'no recovery target specified',
    at: '2030-04-30T08:00:00+00:00',
    leader: 'birch',
    evidence: [],
  })
})

test('the history points at what only a replaced copy had, and says who was not asked', async t => {
  const lab = await openLab(t, { dead: ['cedar'] })
  lab.worlds.birch.evidence.push(KEPT, { ...KEPT, timeline: 3, fork: lsn(0x5000000), leftOut: ['rows: why'] })
  const { out, err } = await lab.vigil(['history'])
  golden('test/golden/cli/history-evidence.txt', out)
  assert.match(err, /no answer from cedar/)
  const rows = JSON.parse((await lab.vigil(['history', '--json'])).out)
  assert.equal(rows[0].evidence[0].path, KEPT.path)
  assert.equal(rows[0].evidence[0].commits, 1)
  assert.deepEqual([rows.at(-1).timeline, rows.at(-1).lsn, rows.at(-1).evidence.length], [3, '0/5000000', 1])
})

const KEPT: Evidence = {
  path: '/var/lib/vigil/evidence/20300430T080102Z-timeline-1',
  keptAt: '2030-04-30T08:01:02.000Z',
  member: 'birch',
  seat: 's-birch',
  term: 12,
  timeline: 1,
  fork: lsn(0x30000a0),
  ownTimeline: 1,
  acceptedTimeline: 2,
  lastRecord: lsn(0x3000400),
  commits: 1,
  rows: 2,
  bytes: 16_800_000,
  leftOut: [],
  files: ['transactions.txt', 'wal/000000010000000000000003'],
}

test('the last lines of a log, of one member or of several', async t => {
  const lab = await openLab(t)
  assert.equal((await lab.vigil(['logs', '-n', '1'])).out, 'second line\n')
  assert.equal(
    (await lab.vigil(['logs', 'amber', 'birch', '-n', '1'])).out,
    'amber: second line\nbirch: second line\n',
  )
  assert.equal((await lab.vigil(['logs', 'dogwood'])).exit, 3)
})

test('versions of the program and of the members', async t => {
  const lab = await openLab(t, { dead: ['cedar'] })
  assert.equal(
    (await lab.vigil(['version'])).out,
    'vigil 0.1.0\namber 0.1.0\nbirch 0.1.0\ncedar 0.1.0 (no answer)\n',
  )
  assert.deepEqual((await runIn(t, ['--version'])).out, '0.1.0\n')
})

// --- explain ---

function decided(
  sequence: number,
  time: string,
  rule: string,
  because: RecordedDecision['because'],
  stoppedBy: string | null = null,
): RecordedDecision {
  return { sequence, at: `2030-05-01T${time}Z`, rule, because, actions: [], stoppedBy, term: 12 }
}

test('explain says why this member leads, in the order of what happened', async t => {
  const lab = await openLab(t, { dead: ['cedar'] })
  lab.worlds.amber.decisions.push(
    decided(1, '09:00:00.000', 'take-turn', { exclusion: 'waited-out', turnInMs: 900, better: 1 }),
    decided(2, '09:00:01.000', 'take', { exclusion: 'waited-out', silenceMs: 10_100 }),
    decided(3, '09:00:01.500', 'promote', {}),
    decided(4, '09:00:02.000', 'lead', { healthy: true }),
  )
  lab.worlds.birch.decisions.push(
    decided(7, '09:00:00.500', 'take-blocked', { exclusion: 'waited-out', obstacle: 'lags 99 bytes' }),
    decided(8, '09:00:03.000', 'rule-of-another-version', { colour: 'blue' }),
  )
  const { exit, out } = await lab.vigil(['explain'])
  assert.equal(exit, 0)
  golden('test/golden/cli/explain.txt', out)
  const parsed = JSON.parse((await lab.vigil(['explain', '--json'])).out)
  assert.equal(parsed.leader, 'amber')
  assert.equal(
    parsed.members[1].decisions[0].sentence,
    sentenceFor('take-blocked', { exclusion: 'waited-out', obstacle: 'lags 99 bytes' }),
  )
  assert.equal(parsed.members[2].answered, false)
})

test('explain says why nobody was promoted', async t => {
  const lab = await openLab(t, { cluster: { term: released, leader: null } })
  lab.worlds.amber.decisions.push(
    decided(1, '09:00:00.000', 'take-blocked', { exclusion: 'released', obstacle: 'the copy is diverged' }),
  )
  lab.worlds.birch.decisions.push(
    decided(1, '09:00:00.000', 'store-frozen', { reason: 'the term went backward' }),
  )
  golden('test/golden/cli/explain-nobody.txt', (await lab.vigil(['explain'])).out)
})

test('every rule has a sentence that names no variable that is not there', () => {
  const sentences = RULES.map(({ id }) => `${id}: ${sentenceFor(id, {})}`)
  for (const sentence of sentences) assert.doesNotMatch(sentence, /undefined|NaN|\[object/)
  assert.equal(sentenceFor('unheard-of', { a: 1 }), 'unheard-of (a 1)')
})

test('docs/cli.md is made from the help', () => {
  const around = { version: '0.1.0', columns: 80, out: () => {}, err: () => {} } as never
  const program = createProgram(around, () => {})
  const verbs = program.commands.map(
    (verb: Command) => `## vigil ${verb.name()}\n\n\`\`\`\n${verb.helpInformation()}\`\`\`\n`,
  )
  golden(
    'docs/cli.md',
    `${CLI_INTRODUCTION}\n\`\`\`\n${program.helpInformation()}\`\`\`\n\n${verbs.join('\n')}`,
  )
})

const CLI_INTRODUCTION = `# Command line

This file is made from the program's own help; a test keeps it so.

\`vigil\` asks the members over REST and never opens the store. All members are asked at once, each for a second at
most; one that does not answer is shown as such and holds nothing up.

**Which cluster.** The first of these that is there: \`-c FILE\`; \`--url\`, which needs no file (a file adds the
password); the variables \`VIGIL_CONFIG_FILE\` and \`PATRONICTL_CONFIG_FILE\`; the file of the one \`vigild\` that runs
here; the one file in \`/etc/vigil\`; the one file in \`/etc/patroni\`. Several in one place: it lists them and asks for
\`-c\`. Patroni's commands name the cluster first: that is understood, and not needed.

**Password and certificates** are \`ctl.*\`, else \`restapi.authentication\` and \`restapi.cafile\`. The password goes with
operations that change something and with \`logs\`, and never over plain HTTP where the configuration says HTTPS.

**Exit status.** 0: done. 1: refused or failed. 2: nobody could be reached, or no answer came in time (what was asked
for may still happen). 3: not understood, or a question without a terminal to ask on. Of several members the first that
fails ends a restart; the others are listed as not asked.

**Questions.** What hurts asks first: \`switchover\`, \`failover\`, \`restart\`, \`reinit\`, \`edit-config\`, \`pause\`.
\`--yes\` asks nothing. Without a terminal, and with \`--json\`, nothing is asked: \`--yes\` is needed.

**Dry run.** With \`--dry-run\` conditions are checked, it is said what would happen, and nothing is written.

**JSON.** \`--json\` works with every verb. Fields are added over time and never change their meaning. What changes
something answers \`{"ok", "member", "status", "message"}\`, or a list of these, one for each member.
`
