// Three members under fault after fault: what is done before and after each, and what must hold whatever happened.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TermRecord } from '../../src/core/term.ts'
import { judge, violations } from '../lab/checker.ts'
import { type Cluster, openCluster } from '../lab/cluster.ts'
import type { ClusterSettings, Timings } from '../lab/configuration.ts'
import type { Fault } from '../lab/faults.ts'
import type { Member, Product } from '../lab/member.ts'
import { namespacesWork } from '../lab/namespaces.ts'
import type { Network } from '../lab/network.ts'
import { newestPostgres } from '../lab/postgres-programs.ts'
import { type TermWatch, watchTerm } from '../lab/term-watch.ts'
import { readSurvivor, type Trial, tryFault } from '../lab/trial.ts'
import { installVigil, type Layers, stateDirectoryOf } from '../lab/vigil.ts'
import { monotonicNs, waitFor } from '../lab/wait.ts'
import { ROWS } from '../lab/writer/statement.ts'
import { startWriter, type Writer } from '../lab/writer.ts'

/** The floor of vigil where neither cgroup.kill nor nftables helps the guard. */
export const LOWEST: Timings = { ttl: 7, loopWait: 1, retryTimeout: 3 }
const SCOPE = 'faults'

export interface Stage {
  readonly cluster: Cluster
  readonly writer: Writer
  readonly term: TermWatch
  /** The fault, what its clients saw, and a whole cluster afterwards. @throws when something happened that never may. */
  endure(fault: Fault): Promise<Endured>
}

export interface Endured extends Trial {
  /** Before and after. */
  readonly from: TermRecord
  readonly to: TermRecord
}

export interface Scene {
  /** One test on the cluster that the scene shares. */
  play(name: string, act: (stage: Stage) => Promise<void>): void
}

export interface StageOptions {
  readonly prepareHosts?: (network: Network) => void
  readonly settings?: Partial<ClusterSettings>
  readonly layers?: Layers
  /** Changes what was installed, or how it is started. */
  readonly dress?: (product: Product, network: Network) => Product
  /** Where PostgreSQL's programs are to be taken from. */
  readonly binDirectory?: (network: Network) => string
}

/** Tests on one cluster that is opened before the first and judged as a whole after the last. */
export function scene(title: string, declare: (scene: Scene) => void, options: StageOptions = {}): void {
  const skip = namespacesWork() ? false : 'network namespaces need root'
  describe(title, { skip }, () => {
    let stage: OpenStage | null = null
    let failed = false
    before(async () => {
      stage = await openStage(options)
    })
    const play: Scene['play'] = (name, act) => {
      test(name, { timeout: 240_000 }, async context => {
        // A cluster that a test left broken would only produce more noise.
        if (failed) return context.skip('an earlier test on this cluster failed')
        try {
          await act(stage!)
        } catch (error) {
          failed = true
          throw error
        }
      })
    }
    declare({ play })
    play('over the whole run nothing was lost that had been replicated, and all copies are equal', lastLook)
    after(() => {
      stage?.term.close()
      const kept = stage?.cluster.close({ keep: failed })
      if (kept) console.log(`logs and decisions of the failed run: ${kept}`)
    })
  })
}

interface OpenStage extends Stage {
  untilNs: number
}

async function openStage(options: StageOptions): Promise<OpenStage> {
  execFileSync(process.execPath, [new URL('../../scripts/build.mjs', import.meta.url).pathname])
  const cluster = await openCluster({
    kind: 'namespaces',
    ...(options.prepareHosts ? { prepareHosts: options.prepareHosts } : {}),
    product: (network, etcd) => {
      const product = installVigil(
        network.directory,
        {
          scope: SCOPE,
          timings: LOWEST,
          subnet: network.subnet,
          etcd: etcd.hosts,
          binDirectory: options.binDirectory?.(network) ?? newestPostgres(),
          ...options.settings,
        },
        options.layers,
      )
      return options.dress?.(product, network) ?? product
    },
  })
  const term = watchTerm(cluster.etcd, SCOPE)
  const writer = await startWriter(cluster, { pinned: true, rowsPerSecond: 100 })
  await term.waitFor('the term record is seen', record => record.state === 'serving')
  const stage: OpenStage = {
    cluster,
    writer,
    term,
    untilNs: 0,
    endure: fault => endure(stage, fault),
  }
  return stage
}

async function endure(stage: OpenStage, fault: Fault): Promise<Endured> {
  const { cluster, writer, term } = stage
  await cluster.waitUntilWhole()
  const from = await term.waitFor(
    'the leader serves',
    ({ state }) => state === 'serving' || state === 'paused',
  )
  const trial = await tryFault(cluster, writer, fault, { fromNs: stage.untilNs })
  stage.untilNs = trial.untilNs
  assert.deepEqual(trial.violations, [])
  const to = await term.waitFor('the leader serves', ({ state }) => state === 'serving' || state === 'paused')
  assertOneLeader(await cluster.waitUntilWhole(), to)
  assertGrowth(term)
  return { ...trial, from, to }
}

function assertOneLeader(primary: Member, record: TermRecord): void {
  assert.equal(
    record.holder.name,
    primary.name,
    'the member that accepts writes is the one that the record names',
  )
}

/** Terms never go back, each has one holder, and each promotion has a timeline number that no other had. */
function assertGrowth(term: TermWatch): void {
  const records = term.revisions().map(({ record }) => record)
  for (const [index, record] of records.entries()) {
    const previous = records[index - 1]
    if (!previous) continue
    assert.ok(
      record.term === previous.term || record.term === previous.term + 1,
      `term ${previous.term}, then ${record.term}`,
    )
    assert.ok(record.timelineMax >= previous.timelineMax)
    if (record.term === previous.term) assert.equal(record.holder.install, previous.holder.install)
    else assert.ok(record.timelineMax > previous.timelineMax)
  }
  const chain = records.at(-1)?.chain ?? []
  for (const [index, entry] of chain.entries()) {
    const previous = chain[index - 1]
    if (!previous) continue
    assert.ok(entry.term > previous.term && entry.timeline > previous.timeline && entry.fork >= previous.fork)
  }
}

/** After the last fault: the whole record against what is left, and every copy against every other. */
async function lastLook({ cluster, writer, term }: Stage): Promise<void> {
  await cluster.waitUntilWhole()
  await writer.stop()
  const survivor = await readSurvivor(cluster)
  const verdict = judge(writer.record(), survivor, { fromNs: 0, faultNs: 0, untilNs: monotonicNs() })
  assert.deepEqual(violations(verdict), [])
  assert.ok(verdict.acknowledged > 100)
  assertGrowth(term)
  for (const member of cluster.members) {
    await waitFor(`${member.name} has every row of the primary and no other`, 30_000, async () => {
      const rows = await member.query<{ client: number; sequence: string }>(ROWS, [], 30_000)
      // Anew each time: a commit that waits for a standby is seen there before it is seen on the primary.
      const primary = await readSurvivor(cluster)
      return (
        rows.length === primary.rows.size &&
        rows.every(row => primary.rows.has(`${row.client}:${row.sequence}`))
      )
    })
  }
}

/** Identity of a member's copy of the data: the same after a rewind, another after a clone. */
export function seatOf(member: Member): string {
  const text = readFileSync(join(stateDirectoryOf(member.host), 'member.json'), 'utf8')
  return (JSON.parse(text) as { seat: string }).seat
}
