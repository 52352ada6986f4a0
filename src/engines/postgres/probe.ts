// What a running instance says of itself: one statement, on a connection that is kept between ticks.
import type { WeakCommits } from '../../core/instance.ts'
import { VigilError } from '../../kernel/errors.ts'
import { type Lsn, parseLsn, type Timeline } from '../../kernel/lsn.ts'
import type { InstanceStatus, PrimaryStatus, SlotStatus, StandbyStatus } from '../../ports/engine.ts'
import { type Connection, connect, type Row, sqlState } from './connection.ts'
import { parseConninfo } from './conninfo.ts'
import { nothingRuns, type PostgresHost, targetOf } from './host.ts'
import { type Owned, pendingRestart } from './pending-restart.ts'
import { isStopped, type PostmasterFile } from './postmaster-file.ts'
import { FILE_SETTINGS, IDENTIFY_SYSTEM, STATUS } from './sql.ts'
import { standbyPosition } from './standby-position.ts'
import type { WalSender } from './walsenders.ts'

export interface Probe {
  status(owned: Owned, signal: AbortSignal): Promise<InstanceStatus>
  /** As the last status of a primary saw them: a server that stops lets nobody in to ask again. */
  walSenders(): readonly WalSender[]
  close(): void
}

/** The answer of STATUS. */
interface Seen {
  readonly inRecovery: boolean
  readonly systemIdentifier: string
  readonly serverVersion: string
  readonly postmasterStartedAt: string
  readonly flushed: string | null
  readonly inserted: string | null
  readonly checksumFailures: string | null
  readonly synchronousNames: string
  readonly weakCommits: readonly WeakCommits[] | null
  readonly applyDelay: string
  readonly walFile: string | null
  readonly received: string | null
  readonly replayed: string | null
  readonly replayPaused: boolean | null
  readonly replayedAt: string | null
  readonly receiver: SeenReceiver | null
  readonly receiving: boolean
  readonly walSegmentBytes: number
  readonly startupWaits: string | null
  readonly conninfo: string
  readonly restoreCommand: boolean
  readonly replication:
    | readonly {
        readonly pid: number
        readonly user: string
        readonly applicationName: string
        readonly clientAddress: string | null
        readonly state: string
        readonly syncState: string
        readonly syncPriority: number
        readonly flushed: string | null
        readonly slot: string | null
      }[]
    | null
  readonly slots: readonly SeenSlot[] | null
  readonly pendingRestart: readonly { readonly name: string; readonly value: string }[] | null
  readonly owned: Readonly<Record<string, string>> | null
}

/** Everything null: the role may not see it. */
interface SeenReceiver {
  readonly status: string | null
  readonly timeline: Timeline | null
  readonly heardMs: number | null
}

interface SeenSlot {
  readonly name: string
  readonly kind: 'physical' | 'logical'
  readonly active: boolean
  readonly restartLsn: string | null
  readonly walStatus: string | null
}

/**
 * The server is there and lets us not in: not yet or not any more (57P03), no session left (53300), or a wrong password
 * or pg_hba.conf (class 28). Whoever says so is neither dead nor hung, and must not be killed for it.
 */
const KEEPS_US_OUT = /^(57P03|53300|28...)$/

export function openProbe(host: PostgresHost): Probe {
  const sessions = keptSessions(host)
  let walSenders: readonly WalSender[] = []
  let replayed: { readonly of: string; readonly timeline: Timeline } | null = null

  /**
   * Of the last replayed record. Only a walsender says it, and one that is kept on a standby is woken by every replay;
   * so it is asked no more while the receiver is on the same timeline: replay can't have left it meanwhile, for what is
   * received goes on where replay is, and no timeline is replayed twice.
   */
  async function replayTimeline(seen: Seen, file: PostmasterFile, signal: AbortSignal): Promise<Timeline> {
    if (replayed?.of === seen.postmasterStartedAt && streamsOn(seen, replayed.timeline)) {
      sessions.closeReplication()
      return replayed.timeline
    }
    const walSender = await sessions.session('replication', file, signal)
    const [identity] = await walSender.query(IDENTIFY_SYSTEM, [], signal)
    replayed = { of: seen.postmasterStartedAt, timeline: Number(identity!['timeline']) }
    return replayed.timeline
  }

  return {
    async status(owned, signal) {
      try {
        const file = await host.postmaster()
        if (file === null) throw new VigilError('POSTGRES_FAILED', { reason: nothingRuns(host) })
        const session = await sessions.session('sql', file, signal)
        const [row] = await session.repeat('status', STATUS, signal)
        const seen = JSON.parse(row!['status']!) as Seen
        const files = seen.pendingRestart ? await session.query(FILE_SETTINGS, [], signal) : []
        const running = runningStatus(seen, files, owned)
        if (!seen.inRecovery) {
          // A session of a walsender is needed on standbys only, and they are few.
          sessions.closeReplication()
          walSenders = seen.replication ?? []
          return { ...running, ...primaryStatus(seen) }
        }
        const timeline = await replayTimeline(seen, file, signal)
        return { ...running, ...(await standbyStatus(seen, timeline, host.options.dataDirectory)) }
      } catch (error) {
        if (KEEPS_US_OUT.test(sqlState(error) ?? ''))
          return { kind: 'starting', reason: (error as Error).message }
        throw error
      }
    },
    walSenders: () => walSenders,
    close: sessions.close,
  }
}

function runningStatus(seen: Seen, files: readonly Row[], owned: Owned) {
  return {
    systemIdentifier: seen.systemIdentifier,
    serverVersion: Number(seen.serverVersion),
    postmasterStartedAt: seen.postmasterStartedAt,
    synchronousNames: seen.synchronousNames,
    checksumFailures: Number(seen.checksumFailures ?? 0),
    slots: (seen.slots ?? []).map(slotStatus),
    pendingRestart: pendingRestart({
      reported: seen.pendingRestart ?? [],
      files: Object.fromEntries(files.map(row => [row['name']!, row['setting'] ?? ''])),
      commandLine: seen.owned ?? {},
      owned,
    }),
  }
}

function primaryStatus(
  seen: Seen,
): Pick<PrimaryStatus, 'kind' | 'position' | 'inserted' | 'replication' | 'weakCommits'> {
  return {
    kind: 'primary',
    // The name of the file that is written to: pg_control knows a new timeline only after a checkpoint.
    position: { timeline: Number.parseInt(seen.walFile!.slice(0, 8), 16), lsn: parseLsn(seen.flushed!)! },
    inserted: parseLsn(seen.inserted!)!,
    replication: (seen.replication ?? []).map(one => ({ ...one, flushed: lsnOrNull(one.flushed) })),
    weakCommits: seen.weakCommits ?? [],
  }
}

async function standbyStatus(
  seen: Seen,
  timeline: Timeline,
  dataDirectory: string,
): Promise<Omit<StandbyStatus, keyof ReturnType<typeof runningStatus>>> {
  const replayed = lsnOrNull(seen.replayed)
  if (replayed === null)
    throw new VigilError('POSTGRES_FAILED', { reason: 'a standby without a replay position' })
  const received = lsnOrNull(seen.received)
  const { walSegmentBytes, receiver } = seen
  const ends = { dataDirectory, received, replayed, replayTimeline: timeline, walSegmentBytes }
  return {
    kind: 'standby',
    position: await standbyPosition(ends),
    replayed,
    received,
    localWalReplayed: usedUpLocalWal(received, seen.startupWaits),
    receiving: seen.receiving,
    heardMs: typeof receiver?.heardMs === 'number' ? Math.max(0, Math.round(receiver.heardMs)) : null,
    replicationState:
      receiver?.status === 'streaming' ? 'streaming' : seen.restoreCommand ? 'in archive recovery' : null,
    upstream: upstreamOf(seen.conninfo),
    replayPaused: seen.replayPaused === true,
    applyDelayed: seen.applyDelay !== '0',
    replayedAt: seen.replayedAt,
  }
}

function streamsOn({ receiver }: Seen, timeline: Timeline): boolean {
  return receiver?.status === 'streaming' && receiver.timeline === timeline
}

/**
 * A receiver starts only when the local WAL is used up, and what it received counts for this start of the server.
 * Without one the startup process must be seen waiting; in a server that has had one that sign can lie (decision 0010).
 */
function usedUpLocalWal(received: Lsn | null, startupWaits: string | null): boolean {
  return received !== null || startupWaits === 'RecoveryRetrieveRetryInterval'
}

function slotStatus(slot: SeenSlot): SlotStatus {
  return { ...slot, restartLsn: lsnOrNull(slot.restartLsn) }
}

function upstreamOf(conninfo: string): { readonly host: string; readonly port: number } | null {
  if (conninfo.trim() === '') return null
  try {
    const { host, hostaddr, port } = parseConninfo(conninfo)
    return { host: host ?? hostaddr ?? '', port: Number(port ?? 5432) }
  } catch {
    return null
  }
}

function lsnOrNull(text: string | null): Lsn | null {
  return text === null ? null : parseLsn(text)
}

/** Two sessions, each opened when needed and again after the postmaster has changed. */
function keptSessions(host: PostgresHost) {
  const kept: Record<
    'sql' | 'replication',
    { readonly connection: Connection; readonly postmaster: number } | null
  > = {
    sql: null,
    replication: null,
  }
  const session = async (kind: 'sql' | 'replication', file: PostmasterFile, signal: AbortSignal) => {
    const before = kept[kind]
    if (before?.connection.usable() && before.postmaster === file.pid) return before.connection
    // A new session would be answered by a process that was forked since, and nobody would see what the others are in.
    if (before?.postmaster === file.pid && (await isStopped(before.connection.pid)))
      throw new VigilError('POSTGRES_FAILED', { reason: 'the processes of PostgreSQL are stopped' })
    before?.connection.close()
    kept[kind] = null
    // With a database, so that an ordinary line of pg_hba.conf lets it in.
    const change = kind === 'replication' ? ({ replication: 'database' } as const) : {}
    const connection = await connect(targetOf(host.options, file, change), signal)
    kept[kind] = { connection, postmaster: file.pid }
    return connection
  }
  const drop = (kind: 'sql' | 'replication') => {
    kept[kind]?.connection.close()
    kept[kind] = null
  }
  return {
    session,
    closeReplication: () => drop('replication'),
    close: () => {
      drop('sql')
      drop('replication')
    },
  }
}
