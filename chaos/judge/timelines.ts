// The history files of all members against the record's chain: what was accepted is one path, and every file about a
// timeline of that path says the same.
import { parseLsn } from '../../src/kernel/lsn.ts'

export interface HistoryFile {
  readonly member: string
  readonly timeline: number
  readonly text: string
}

/** An entry of the record's chain as the store holds it. */
export interface AcceptedTimeline {
  readonly timeline: number
  readonly parent: number
  readonly fork: string
}

interface Step {
  readonly timeline: number
  readonly end: string
}

/** Sentences about what does not fit; empty when all is in order. */
export function wrongTimelines(
  files: readonly HistoryFile[],
  chain: readonly AcceptedTimeline[],
  current: number,
): readonly string[] {
  const path = pathTo(current, chain)
  const onPath = new Map([
    [current, path],
    ...path.map((step, index) => [step.timeline, path.slice(0, index)] as const),
  ])
  return [
    ...(chain.length > 0 && !chain.some(({ timeline }) => timeline === current) && current !== 1
      ? [`the primary is on timeline ${current}, which the record's chain does not know`]
      : []),
    ...files.flatMap(({ member, timeline, text }) => {
      const expected = onPath.get(timeline)
      const found = parseSteps(text)
      // Empty ones only keep a number from being used.
      if (!expected || found.length === 0) return []
      // A chain that was cut at its old end knows the last steps only.
      const comparable = found.slice(Math.max(0, found.length - expected.length))
      const wrong = comparable.findIndex((step, index) => !same(step, expected[index]))
      if (wrong < 0 && found.length >= expected.length) return []
      return [`${member} says of timeline ${timeline}: ${show(found)}; the record says ${show(expected)}`]
    }),
  ]
}

/** The ancestors of a timeline with their ends, oldest first, as far as the chain knows. */
function pathTo(timeline: number, chain: readonly AcceptedTimeline[]): readonly Step[] {
  const steps: Step[] = []
  for (let at = timeline; ; ) {
    const entry = chain.find(each => each.timeline === at)
    // Timelines grow from parent to child; anything else would go round in circles.
    if (!entry || entry.parent >= at) return steps
    steps.unshift({ timeline: entry.parent, end: entry.fork })
    at = entry.parent
  }
}

function parseSteps(text: string): readonly Step[] {
  return text.split('\n').flatMap(line => {
    const [timeline, end] = line.trim().split(/\s+/)
    return timeline && /^\d+$/.test(timeline) && end ? [{ timeline: Number(timeline), end }] : []
  })
}

function same(one: Step, other: Step | undefined): boolean {
  return other !== undefined && one.timeline === other.timeline && parseLsn(one.end) === parseLsn(other.end)
}

function show(steps: readonly Step[]): string {
  return steps.map(({ timeline, end }) => `${timeline} to ${end}`).join(', ') || 'nothing'
}
