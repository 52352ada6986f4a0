// Everything that a scenario may do, with how often it is the leader's turn and how long it lasts.
import type { Fault } from './faults.ts'
import * as machine from './faults.ts'
import * as between from './faults-between.ts'
import { diskFull, diskStalls, handsOver } from './faults-disk.ts'
import * as streaming from './faults-streaming.ts'
import * as operators from './operators.ts'
import * as modes from './operators-modes.ts'

export interface Choice {
  readonly weight: number
  readonly fault: Fault
  readonly leaderShare: number
  readonly lowMs: number
  readonly highMs: number
  /** Means nothing in a cluster that is asynchronous from beginning to end. */
  readonly synchronous: boolean
}

type Row = readonly [weight: number, fault: Fault, leaderShare: number, lowMs: number, highMs: number]

const ALWAYS: readonly Row[] = [
  [8, machine.agentKill, 0.7, 100, 20_000],
  [6, machine.agentStop, 0.7, 200, 20_000],
  [2, machine.agentUpgrade, 0.7, 300, 5000],
  [2, machine.agentShutdown, 0.5, 1000, 20_000],
  [5, machine.guardKill, 0.7, 1, 2],
  [4, machine.guardStop, 0.8, 100, 12_000],
  [2, machine.guardStarved, 0.8, 1000, 10_000],
  [3, machine.bothKill, 0.8, 200, 15_000],
  [7, machine.postmasterKill, 0.7, 1, 2],
  [3, machine.postmasterStop, 0.7, 500, 20_000],
  [3, machine.postgresHang, 0.7, 500, 20_000],
  [4, machine.slowPostgres, 0.5, 3000, 30_000],
  [3, machine.slowDisk, 0.6, 1000, 20_000],
  [3, diskStalls, 0.7, 500, 25_000],
  [2, diskFull, 0.6, 500, 25_000],
  [2, machine.slowKill, 0.7, 5000, 30_000],
  [2, machine.rewindBreaks, 0.5, 10_000, 40_000],
  [7, machine.powerLoss, 0.7, 500, 30_000],
  [3, machine.freeze('processes'), 0.7, 100, 20_000],
  [1, machine.freeze('suspend'), 0.7, 100, 15_000],
  [1, machine.freeze('freeze'), 0.7, 100, 15_000],
  [2, machine.wallJump, 0.7, 1, 2],
  [2, machine.promotedByHand, 0, 1, 2],
  [6, between.isolated, 0.7, 300, 25_000],
  [5, between.storeUnreachable, 0.7, 300, 25_000],
  [4, between.answersCut, 0.8, 500, 15_000],
  [3, between.requestsCut, 0.8, 500, 15_000],
  [3, between.membersUnreachable, 0.5, 500, 20_000],
  [3, between.oneLinkCut, 0.5, 500, 20_000],
  [4, between.lossyLinks, 0.6, 1000, 25_000],
  [4, between.answersCutThenIsolated, 0.9, 8000, 25_000],
  [6, between.election, 0.5, 500, 4000],
  [3, between.storeDown, 0.5, 300, 20_000],
  [5, between.lateRequests, 0.5, 2000, 25_000],
  [3, between.lostAnswers, 0.5, 2000, 20_000],
  [4, between.staleReads, 0.5, 2000, 30_000],
  [2, between.watchesLag, 0.5, 2000, 30_000],
  [4, between.stuckStore, 0.9, 2000, 20_000],
  [4, between.leaderKeyDeleted, 0.5, 1, 2],
  [6, operators.switchover, 1, 1, 2],
  [3, operators.failover, 1, 1, 2],
  [4, operators.maintenancePause, 1, 1000, 15_000],
  [4, operators.ttlChange, 1, 1, 2],
  [2, operators.restartRequest, 0.6, 1, 2],
  [2, operators.reinitialiseRequest, 0.2, 1, 2],
]

const SYNCHRONOUS: readonly Row[] = [
  [4, streaming.replayStuck, 0, 500, 12_000],
  [6, streaming.walSenderStopped, 1, 300, 15_000],
  [2, streaming.stranger, 1, 2000, 20_000],
  [2, streaming.connectionsPulled, 1, 1, 2],
  [3, streaming.diskReplaced, 0, 500, 15_000],
  [3, streaming.copyRestored, 0, 1500, 12_000],
  [3, modes.modeChange, 1, 1, 2],
  [3, modes.nodeCountChange, 1, 1, 2],
  [2, modes.strictChange, 1, 1, 2],
  [1, modes.earlyTakeoverChange, 1, 1, 2],
  [3, modes.nosync, 0.1, 1000, 15_000],
]

const toChoice =
  (synchronous: boolean) =>
  ([weight, fault, leaderShare, lowMs, highMs]: Row): Choice => ({
    weight,
    fault,
    leaderShare,
    lowMs,
    highMs,
    synchronous,
  })

export const CHOICES: readonly Choice[] = [...ALWAYS.map(toChoice(false)), ...SYNCHRONOUS.map(toChoice(true))]

/** What a script names. */
export function faultNamed(name: string, ttlMs: number): Fault | null {
  const all = [
    ...CHOICES.map(choice => choice.fault),
    handsOver(diskStalls, ttlMs),
    handsOver(diskFull, ttlMs),
  ]
  return all.find(fault => fault.name === name) ?? null
}
