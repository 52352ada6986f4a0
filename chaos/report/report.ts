// What a run was, as one JSON document: everything that the page shows and a program may want.

import type { Finding, Judged } from '../judge/findings.ts'
import { ratesOf, stallsOf } from '../judge/stalls.ts'
import type { Happened } from '../nemesis.ts'
import type { Seen } from '../workload.ts'
import type { World } from '../world.ts'

/** Seconds after the begin of the run. */
export interface Span {
  readonly from: number
  readonly until: number
}

export interface LeaderSpan extends Span {
  readonly term: number
  readonly name: string
  readonly state: string
}

export interface FaultSpan extends Span {
  readonly episode: number
  readonly name: string
  readonly victims: readonly string[]
  readonly detail: string
  readonly notBegun: string | null
}

export interface Report {
  readonly startedAt: string
  readonly command: string
  readonly options: World['options']
  readonly leftOut: readonly string[]
  readonly interrupted: boolean
  readonly seconds: number
  readonly members: readonly string[]
  readonly findings: readonly Finding[]
  readonly totals: Omit<Judged, 'findings'> & {
    readonly terms: number
    readonly longestStallSeconds: number
    readonly agentEnds: number
  }
  readonly leaders: readonly LeaderSpan[]
  readonly faults: readonly FaultSpan[]
  readonly stalls: readonly Span[]
  /** Acknowledged rows a second, in equal slices of the run. */
  readonly rates: readonly number[]
  readonly agentEnds: readonly { readonly member: string; readonly at: number }[]
  /** Where the logs are; null when nobody needs them. */
  readonly logs: string | null
}

interface Material {
  readonly world: World
  readonly seen: Seen
  readonly judged: Judged
  readonly happened: readonly Happened[]
  readonly startedNs: number
  readonly endedNs: number
  readonly interrupted: boolean
}

const STALL_SHOWN_MS = 500
const SLICES = 300

export function reportOf(material: Material): Report {
  const { world, seen, judged, happened, startedNs, endedNs } = material
  const { findings, ...totals } = judged
  const second = (ns: number) => Math.round((ns - startedNs) / 1e6) / 1000
  const stalls = stallsOf(seen.rows, STALL_SHOWN_MS, endedNs).map(({ fromNs, untilNs }) => ({
    from: second(fromNs),
    until: second(untilNs),
  }))
  const seconds = second(endedNs)
  const leaders = leadersOf(world, second, seconds)
  const agentEnds = world.supervisor.unexpectedEnds()
  const { options } = world
  return {
    startedAt: new Date(Date.now() - seconds * 1000).toISOString(),
    command: commandOf(options),
    options,
    leftOut: [...world.missing],
    interrupted: material.interrupted,
    seconds,
    members: world.cluster.members.map(({ name }) => name),
    findings,
    totals: {
      ...totals,
      terms: new Set(leaders.map(({ term }) => term)).size,
      longestStallSeconds: Math.max(0, ...stalls.map(({ from, until }) => until - from)),
      agentEnds: agentEnds.length,
    },
    leaders,
    faults: happened.map(({ episode, fault, fromNs, untilNs, victims, detail, notBegun }) => ({
      episode,
      name: fault.name,
      from: second(fromNs),
      until: second(untilNs),
      victims,
      detail,
      notBegun,
    })),
    stalls,
    rates: ratesOf(seen.rows, startedNs, endedNs, SLICES).map(count =>
      Math.round((count * SLICES) / seconds),
    ),
    agentEnds: agentEnds.map(({ member, atNs }) => ({ member, at: second(atNs) })),
    logs: null,
  }
}

/** One span for each term and state, from the record's own revisions. */
function leadersOf({ term }: World, second: (ns: number) => number, end: number): readonly LeaderSpan[] {
  const spans: LeaderSpan[] = []
  for (const { record, atNs } of term.revisions()) {
    const last = spans.at(-1)
    if (last && last.term === record.term && last.state === record.state) continue
    const from = Math.max(0, second(atNs))
    if (last) spans[spans.length - 1] = { ...last, until: from }
    spans.push({ term: record.term, name: record.holder.name, state: record.state, from, until: end })
  }
  return spans
}

export function commandOf({
  minutes,
  seed,
  members,
  mode,
  ttlSeconds,
  isolation,
  faults,
}: Report['options']): string {
  const words = [
    `--minutes ${minutes}`,
    `--seed ${seed}`,
    ...(members === 3 ? [] : [`--members ${members}`]),
    `--mode ${mode}`,
    `--ttl ${ttlSeconds}`,
    ...(isolation === 'serializable' ? [] : [`--isolation "${isolation}"`]),
    ...(faults.length === 0 ? [] : [`--faults ${faults.join(',')}`]),
  ]
  return `npm run chaos -- ${words.join(' ')}`
}
