// What a member can say of itself: role, right to serve, guard, fencing, copy of the data, long work.
import type { Position } from '../kernel/lsn.ts'
import { elapsedAtLeast, type Instant, type Ms, reached, remaining } from '../kernel/time.ts'
import type { Decision } from './action.ts'
import { unfitness } from './candidate.ts'
import type { PublishedRole } from './cluster.ts'
import { promisedMs } from './failsafe.ts'
import { type Fencing, fencingOf } from './fencing.ts'
import type { GuardMode, GuardStatus } from './guard-status.ts'
import { cannotWrite, type DiskPlace } from './health.ts'
import type { InstanceStatus } from './instance.ts'
import type { JobKind } from './job.ts'
import { publishedRole, publishedState } from './published-member.ts'
import type { Situation } from './situation.ts'
import { publishedTags } from './tags.ts'
import type { View } from './view.ts'

export interface LocalStatus {
  readonly name: string
  readonly install: string
  readonly machine: string
  readonly version: string
  readonly apiUrl: string
  readonly connUrl: string
  readonly seat: string | null
  readonly seatState: 'ready' | 'incomplete' | 'diverged'
  readonly role: 'primary' | 'standby' | 'none'
  /** In Patroni's words, as in the member key. */
  readonly publishedRole: PublishedRole
  readonly state: string
  /** It holds the leadership by its own guard: the deadline has not come, or a maintenance pause lifted it. */
  readonly leads: boolean
  /** Time left until the guard ends the leadership; null: no deadline runs. */
  readonly deadlineLeftMs: Ms | null
  readonly guard: {
    readonly mode: GuardMode
    readonly term: number | null
    readonly alive: boolean
    readonly adopted: boolean
    /** Why it would refuse a promotion. */
    readonly forbids: string | null
  } | null
  readonly fencing: Fencing
  /** End of what this copy holds; null while it cannot say. */
  readonly position: Position | null
  /** null: it could not be asked. */
  readonly instance: InstanceStatus | null
  readonly job: JobStatus | null
  /** Whether it may be promoted now, by its own word. */
  readonly promotable: boolean
  /** Why this machine can't write, or is not fit to lead; null: nothing is known against it. */
  readonly trouble: string | null
  /** Of a running primary, when it has lasted long enough to act on. */
  readonly cannotWrite: string | null
  readonly disks: readonly DiskPlace[]
  /** The highest term it has seen. */
  readonly term: number
  readonly failsafe: FailsafeStatus
  readonly tags: Readonly<Record<string, unknown>>
  readonly pendingRestart: Readonly<Record<string, { readonly oldValue: string; readonly newValue: string }>>
  /** Rule that decided last, and why. */
  readonly rule: string | null
  readonly because: Decision['because']
  readonly ending: View['ending']
}

/** Going on without the store: as the leader, or by a promise to it. */
export interface FailsafeStatus {
  /** The deadline counts from a question that everybody accepted. */
  readonly active: boolean
  readonly forMs: Ms | null
  /** Why the leader does not get the promises that it needs. */
  readonly against: string | null
  /** Whom this member leaves the leadership to, and for how long. */
  readonly promisedTo: string | null
  readonly promisedForMs: Ms | null
}

export interface JobStatus {
  readonly kind: JobKind
  readonly state: 'running' | 'done' | 'failed'
  /** Member that the data comes from. */
  readonly from: string | null
  readonly forMs: Ms
  readonly bytesDone: number | null
  readonly bytesTotal: number | null
  /** Why it failed. */
  readonly reason: string | null
}

export function localStatus(
  situation: Situation,
  { now, decision }: { readonly now: Instant; readonly decision: Decision | null },
): LocalStatus {
  const { view, guard } = situation
  const { me, remembered } = view
  const instance = instanceOf(situation)
  const job = jobStatus(view, now)
  return {
    name: me.name,
    install: me.install,
    machine: me.machine,
    version: me.version,
    apiUrl: me.apiUrl,
    connUrl: me.connUrl,
    seat: remembered.seat,
    seatState: remembered.seatState,
    role: instance?.kind === 'primary' || instance?.kind === 'standby' ? instance.kind : 'none',
    publishedRole: publishedRole(situation),
    state: publishedState(situation),
    leads: leads(situation, now),
    deadlineLeftMs: guard?.mode === 'armed' && guard.deadline ? remaining(guard.deadline, now) : null,
    guard: guard && guardOf(guard),
    fencing: fencingOf(guard),
    position: situation.end,
    instance,
    job,
    promotable: isPromotable(situation),
    trouble: troubleOf(situation),
    cannotWrite: cannotWrite(view.health, situation.now, view.settings.ttlMs),
    disks: view.health.places,
    term: Math.max(remembered.termMax, situation.record?.term ?? 0),
    failsafe: failsafeStatus(situation, now),
    tags: publishedTags(view.settings.tags),
    pendingRestart: instance && instance.kind !== 'starting' ? instance.pendingRestart : {},
    rule: decision?.rule ?? null,
    because: decision?.because ?? {},
    ending: view.ending,
  }
}

function failsafeStatus(situation: Situation, now: Instant): FailsafeStatus {
  const { failsafe, failsafePromise, storeFailures } = situation.view.memory
  const promisedForMs = promisedMs(situation)
  const asking = failsafe !== null && storeFailures > 0
  const [against] = failsafe?.against ?? []
  return {
    active: asking && failsafe.agreedAt !== null && leads(situation, now),
    forMs: asking ? elapsedAtLeast(failsafe.since, now) : null,
    against: asking && against ? `${against.name}: ${against.reason}` : null,
    promisedTo: promisedForMs > 0 ? (failsafePromise?.leader.name ?? null) : null,
    promisedForMs: promisedForMs > 0 ? promisedForMs : null,
  }
}

function guardOf({ mode, term, alive, adopted, forbids }: GuardStatus): LocalStatus['guard'] {
  return { mode, term, alive, adopted, forbids: forbids ?? null }
}

/** Without a live guard, or with a record that names another installation, the answer is no. */
function leads({ guard, record, holding }: Situation, now: Instant): boolean {
  if (!guard) return false
  // Without the store the deadline alone speaks: that is what it is for.
  const another = record !== null && (!holding || record.state === 'released' || record.term !== guard.term)
  if (another) return false
  // Until its promotion is recorded a new cluster may still be created by somebody else.
  if (record?.state === 'electing') return false
  if (guard.mode === 'unarmed') return true
  return guard.mode === 'armed' && guard.deadline !== null && !reached(guard.deadline, now)
}

/** What can be known without asking anybody; whether it is this one's turn is for the takeover to say. */
function isPromotable(situation: Situation): boolean {
  const { view, guard, running, end, lineage, frozen } = situation
  const copyReady =
    view.remembered.seatState === 'ready' && end !== null && lineage !== 'diverged' && lineage !== 'foreign'
  const free =
    view.ending === 'no' &&
    view.job?.state !== 'running' &&
    frozen === null &&
    unfitness(situation) === null &&
    view.notKept === null
  return running.kind === 'standby' && guard?.mode === 'standby' && !guard.forbids && copyReady && free
}

function troubleOf(situation: Situation): string | null {
  const { view, now } = situation
  if (view.notKept !== null) return `its memory can't be written: ${view.notKept}`
  return cannotWrite(view.health, now, view.settings.ttlMs) ?? unfitness(situation)
}

function instanceOf({ running, view }: Situation): InstanceStatus | null {
  if (running.kind === 'none') return null
  return view.instance.kind === 'known' ? view.instance.value : null
}

function jobStatus({ job }: View, now: Instant): JobStatus | null {
  if (!job) return null
  const { order, progress } = job
  return {
    kind: order.kind,
    state: job.state,
    from: 'from' in order ? order.from.name : null,
    forMs: elapsedAtLeast(job.startedAt, now),
    bytesDone: progress?.bytesDone ?? null,
    bytesTotal: progress?.bytesTotal ?? null,
    reason: job.state === 'failed' ? job.reason : null,
  }
}
