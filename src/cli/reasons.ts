// Recorded decisions as sentences: by rule, from the data that the rule gave as its reason.
import { RULES } from '../core/decide.ts'

export type Because = Readonly<Record<string, unknown>>

const EXCLUSIONS: Readonly<Record<string, string>> = {
  released: 'the last leader gave the leadership up',
  'handed-over': 'the leader handed over and its WAL is here to the end',
  'waited-out': 'the last leader was silent until its deadline had certainly passed',
}

/** Only where the data says more than the rule's own words. */
const SENTENCES: Readonly<Record<string, (because: Because) => string | null>> = {
  take: because => `takes the leadership: ${exclusion(because)}${silence(because)}`,
  'take-turn': because =>
    `could take over (${exclusion(because)}), and leaves it to ${because['better'] ? `${because['better']} better member(s)` : 'the named successor'} for ${milliseconds(because['turnInMs'])} more`,
  'take-blocked': because => `cannot take over: ${said(because['obstacle'])} (${exclusion(because)})`,
  'store-frozen': because => `does nothing, since the store cannot be trusted: ${said(because['reason'])}`,
  'store-lost-stop': because =>
    `stops PostgreSQL in order: the store does not answer, and the deadline is ${milliseconds(because['leftMs'])} away`,
  'stale-primary': because =>
    `kills PostgreSQL: it served term ${said(because['guardTerm'])}, the record is at term ${said(because['recordTerm'])}`,
  'self-take': because => `its PostgreSQL died${factsText(because)}; takes the next term at once`,
  'promote-died': because => `PostgreSQL died before it served${factsText(because)}; takes the next term`,
  'release-exhausted': because => `gives the leadership up: PostgreSQL died too often${factsText(because)}`,
  hung: because => `kills PostgreSQL: it has not answered for ${milliseconds(because['silentMs'])}`,
  'handover-abort': because => `ends the switchover and goes on serving: ${said(because['reason'])}`,
  'switchover-begin': because => {
    if (because['refused']) return `refuses the switchover: ${said(because['refused'])}`
    if (because['waiting']) return `switchover asked for; looks once more: ${said(because['waiting'])}`
    return `prepares the switchover to ${said(because['successor'])}`
  },
  'handover-release': because =>
    because['clean'] === undefined
      ? null
      : `has stopped${because['clean'] ? ' cleanly' : ', not cleanly'} and gives the leadership up`,
  'request-refused': because => `refuses a request: ${said(because['reason'])}`,
  'promote-wrong-timeline': because =>
    `ends PostgreSQL: it is on timeline ${said(because['timeline'])}, the record gave ${said(because['given'])}`,
  'promote-wait': because => `waits for PostgreSQL, which is ${said(because['running'])}, to be promoted`,
  follow: because => (because['upstream'] ? `follows ${because['upstream']}` : null),
  lead: because => (because['healthy'] === false ? 'leads; PostgreSQL does not answer just now' : 'leads'),
  idle: () => 'nothing to do',
}

/** An unknown rule (another version) shows its name and its data. */
export function sentenceFor(rule: string, because: Because): string {
  const special = Object.hasOwn(SENTENCES, rule) ? SENTENCES[rule]!(because) : null
  if (special !== null) return special
  const known = RULES.find(candidate => candidate.id === rule)
  return `${known ? known.does : rule}${factsText(because)}`
}

/** What is null says nothing. */
function factsText(because: Because): string {
  const facts = Object.entries(because).filter(([, value]) => value !== null && value !== '')
  const texts = facts.map(([name, value]) =>
    typeof value === 'number' && name.endsWith('Ms')
      ? `${name.slice(0, -'Ms'.length)} ${milliseconds(value)}`
      : `${name} ${value}`,
  )
  return texts.length === 0 ? '' : ` (${texts.join(', ')})`
}

function exclusion(because: Because): string {
  const found = String(because['exclusion'] ?? '')
  return EXCLUSIONS[found] ?? (found || 'the last leader is excluded')
}

function said(value: unknown): string {
  return value === undefined || value === null ? 'not known' : String(value)
}

function silence(because: Because): string {
  return typeof because['silenceMs'] === 'number' && because['exclusion'] === 'waited-out'
    ? ` (${milliseconds(because['silenceMs'])})`
    : ''
}

function milliseconds(value: unknown): string {
  return typeof value === 'number' ? `${(value / 1000).toFixed(1)} s` : 'some time'
}
