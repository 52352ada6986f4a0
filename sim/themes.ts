// A theme makes its own faults frequent, so that what needs two of them at the right moment happens.
import type { Fault } from './faults.ts'
import * as machine from './faults.ts'
import * as between from './faults-between.ts'
import * as streaming from './faults-streaming.ts'
import * as operators from './operators.ts'
import * as modes from './operators-modes.ts'

export interface Theme {
  readonly name: string
  readonly faults: readonly Fault[]
  /** The cluster begins in a synchronous mode. */
  readonly synchronous?: boolean
  readonly failsafe?: boolean
  readonly newcomer?: boolean
  readonly storeFails?: boolean
}

/** Any subset of everything is on. */
const ANYTHING: Theme = { name: 'anything', faults: [] }

export const THEMES: readonly Theme[] = [
  ANYTHING,
  ANYTHING,
  {
    name: 'processes',
    faults: [machine.agentKill, machine.agentStop, machine.guardStop, machine.postmasterKill],
  },
  {
    name: 'guards',
    faults: [machine.guardStop, machine.guardKill, machine.slowKill, between.storeUnreachable],
  },
  {
    name: 'unknown results',
    faults: [between.answersCutThenIsolated, between.lateRequests, between.lostAnswers, machine.agentStop],
  },
  { name: 'stuck store', faults: [between.stuckStore, between.staleReads, between.election] },
  {
    name: 'isolation',
    faults: [between.isolated, between.storeUnreachable, between.requestsCut, machine.powerLoss],
  },
  {
    name: 'maintenance',
    faults: [operators.maintenancePause, between.lostAnswers, between.storeUnreachable, machine.agentKill],
  },
  {
    name: 'ttl',
    faults: [operators.ttlChange, between.storeUnreachable, between.answersCut, machine.agentStop],
  },
  {
    name: 'switchover',
    faults: [
      operators.switchover,
      operators.failover,
      machine.slowPostgres,
      machine.agentKill,
      machine.powerLoss,
    ],
  },
  { name: 'leader key', faults: [between.leaderKeyDeleted, between.stuckStore, between.storeUnreachable] },
  {
    name: 'rejoin',
    faults: [
      machine.powerLoss,
      machine.rewindBreaks,
      machine.slowPostgres,
      machine.agentKill,
      between.isolated,
    ],
  },
  {
    name: 'standstill',
    faults: [machine.freeze('processes'), machine.freeze('suspend'), machine.agentStop, machine.guardStop],
  },
  {
    name: 'wall clocks',
    faults: [machine.wallJump, machine.agentKill, between.storeUnreachable, between.isolated],
  },
  {
    name: 'sealing',
    synchronous: true,
    faults: [
      between.isolated,
      between.oneLinkCut,
      between.storeUnreachable,
      machine.agentKill,
      machine.powerLoss,
      streaming.replayStuck,
    ],
  },
  {
    name: 'false suspicion',
    synchronous: true,
    faults: [
      machine.agentStop,
      between.requestsCut,
      between.answersCut,
      between.lateRequests,
      machine.agentKill,
      machine.postgresHang,
    ],
  },
  {
    name: 'rule changes',
    synchronous: true,
    faults: [
      modes.nodeCountChange,
      modes.nosync,
      streaming.walSenderStopped,
      between.membersUnreachable,
      machine.slowPostgres,
      between.isolated,
    ],
  },
  {
    name: 'mode changes',
    synchronous: true,
    faults: [
      modes.modeChange,
      modes.strictChange,
      between.lateRequests,
      machine.agentKill,
      streaming.walSenderStopped,
      between.membersUnreachable,
    ],
  },
  {
    name: 'copies',
    synchronous: true,
    faults: [
      streaming.diskReplaced,
      streaming.copyRestored,
      operators.reinitialiseRequest,
      machine.powerLoss,
      between.isolated,
      streaming.stranger,
    ],
  },
  {
    name: 'stuck replay',
    synchronous: true,
    faults: [streaming.replayStuck, between.isolated, between.storeUnreachable, machine.agentKill],
  },
  {
    name: 'promoted by hand',
    faults: [machine.promotedByHand, between.isolated, machine.agentKill],
  },
]

export const THEME_WEIGHT = 24
