// What is left when everything stands still: rows, lists, histories, and the record.
import { readSurvivor } from '../test/lab/trial.ts'
import { monotonicNs, waitFor } from '../test/lab/wait.ts'
import { ROWS } from '../test/lab/writer/statement.ts'
import { LISTS } from './client/plan.ts'
import type { Evidence, Finding } from './judge/findings.ts'
import type { AcceptedTimeline, HistoryFile } from './judge/timelines.ts'
import type { Seen } from './workload.ts'
import type { World } from './world.ts'

const READ_LIMIT_MS = 30_000

export async function gather(world: World, seen: Seen, startedNs: number): Promise<Evidence> {
  const { cluster, options, term } = world
  const primary = await cluster.waitForPrimary()
  const lists = await primary.query<{ list: number; elements: number[] }>(
    `SELECT list, elements FROM ${LISTS}`,
    [],
    READ_LIMIT_MS,
  )
  return {
    mode: options.mode,
    isolation: options.isolation,
    seen,
    survivor: await readSurvivor(cluster),
    finalLists: new Map(lists.map(({ list, elements }) => [list, elements])),
    // As the store holds it: the watch does not decode.
    chain: (term.latest()?.chain ?? []) as unknown as readonly AcceptedTimeline[],
    histories: (await Promise.all(cluster.members.map(historiesOf))).flat(),
    unprotected: unprotectedOf(world).filter(({ untilNs }) => untilNs > startedNs),
    untilNs: monotonicNs(),
  }
}

/** Whether every copy has what the primary has, and nothing else; it may take a moment to get there. */
export async function unequalCopies(world: World): Promise<readonly Finding[]> {
  const survivor = await readSurvivor(world.cluster)
  const different = await Promise.all(
    world.cluster.members.map(async member => {
      try {
        await waitFor(`${member.name} has the rows of the primary`, READ_LIMIT_MS, async () => {
          const rows = await member.query<{ client: number; sequence: string }>(ROWS, [], READ_LIMIT_MS)
          if (rows.length !== survivor.rows.size)
            throw new Error(`${rows.length} rows instead of ${survivor.rows.size}`)
          return rows.every(({ client, sequence }) => survivor.rows.has(`${client}:${sequence}`))
        })
        return []
      } catch (error) {
        return [
          { checker: 'copies' as const, sentence: String(error instanceof Error ? error.message : error) },
        ]
      }
    }),
  )
  return different.flat()
}

async function historiesOf(member: World['cluster']['members'][number]): Promise<readonly HistoryFile[]> {
  const files = await member.query<{ name: string; text: string }>(
    `SELECT name, pg_read_file('pg_wal/' || name) AS text FROM pg_ls_dir('pg_wal') AS name WHERE name ~ '^[0-9A-F]{8}\\.history$'`,
    [],
    READ_LIMIT_MS,
  )
  return files.map(({ name, text }) => ({
    member: member.name,
    timeline: Number.parseInt(name.slice(0, 8), 16),
    text,
  }))
}

/** From the revision before a record without rules to the one after it: nobody knows when between them it changed. */
function unprotectedOf({ options, term }: World): Evidence['unprotected'] {
  if (options.mode === 'async') return []
  const revisions = term.revisions()
  return revisions.flatMap(({ record }, index) =>
    record.rules === null
      ? [
          {
            fromNs: revisions[index - 1]?.atNs ?? 0,
            untilNs: revisions[index + 1]?.atNs ?? Number.POSITIVE_INFINITY,
          },
        ]
      : [],
  )
}
