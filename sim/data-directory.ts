// What lies on a member's disk as PostgreSQL's data directory. It survives every crash as it is.
import type { ControlData, DataDirectory, Upstream } from '../src/core/instance.ts'
import type { Position, Timeline } from '../src/kernel/lsn.ts'
import { type Branch, type Copy, endOf, lsnOf, positionOf } from './wal.ts'

export interface Configuration {
  readonly upstream: Upstream | null
  readonly slot: string | null
  readonly parameters: Readonly<Record<string, string>>
  readonly role: 'primary' | 'standby'
  /** synchronous_standby_names. A standby's is a placeholder that no commit gets past. */
  readonly names: string
  /** Nobody but agents and standbys is let in. */
  readonly closed: boolean
}

export const NOT_LEADER = 'ANY 200 ("vigil:not-leader")'

export interface Directory {
  readonly systemIdentifier: string
  copy: Copy
  /** On disk: made by us and never served, or a rewind has begun and not ended. */
  marker: 'bootstrap' | 'rewind' | null
  /** The truth: some of its files are of another history, or are missing. Nobody may promote it. */
  torn: boolean
  controlState: string
  checkpoint: Position
  /** The last record is a shutdown checkpoint of this copy's own. */
  cleanEnd: boolean
  standbySignal: boolean
  promoteFile: boolean
  seat: string | null
  /** Timelines that have a history file with content here. */
  readonly historyFiles: Set<Timeline>
  /** Timelines that have an empty one. */
  readonly reserved: Set<Timeline>
  configuration: Configuration
}

export const NOTHING_CONFIGURED: Configuration = {
  upstream: null,
  slot: null,
  parameters: {},
  role: 'primary',
  names: '',
  closed: false,
}

export function newDirectory(copy: Copy, marker: Directory['marker']): Directory {
  return {
    systemIdentifier: copy.branch.systemIdentifier,
    copy,
    marker,
    torn: false,
    controlState: 'shut down',
    checkpoint: positionOf(copy),
    cleanEnd: true,
    standbySignal: false,
    promoteFile: false,
    seat: null,
    historyFiles: knownTimelines(copy.branch),
    reserved: new Set(),
    configuration: NOTHING_CONFIGURED,
  }
}

/** Every timeline above the first that leads to this branch. */
export function knownTimelines(branch: Branch): Set<Timeline> {
  const known = new Set<Timeline>()
  for (let at = branch; at.fork !== null; at = at.fork.branch) known.add(at.timeline)
  return known
}

/** The copy has come so far. */
export function adopt(directory: Directory, copy: Copy): void {
  directory.copy = copy
  for (const timeline of knownTimelines(copy.branch)) directory.historyFiles.add(timeline)
}

/** The number PostgreSQL takes: the first above its own that has no history file. */
export function nextFreeTimeline(directory: Directory): Timeline {
  let timeline = directory.copy.branch.timeline + 1
  while (directory.historyFiles.has(timeline) || directory.reserved.has(timeline)) timeline++
  return timeline
}

/** Empty files above everything with content: a start looks for the newest number, and would wait for its WAL. */
export function unusedReservations(directory: Directory): readonly Timeline[] {
  const newest = Math.max(directory.copy.branch.timeline, ...directory.historyFiles)
  return [...directory.reserved].filter(timeline => timeline > newest)
}

export function readDirectory(directory: Directory | null): DataDirectory {
  if (directory === null) return { kind: 'empty' }
  if (directory.marker !== null) return { kind: 'unfinished', what: directory.marker }
  return { kind: 'present', control: controlOf(directory) }
}

export function controlOf(directory: Directory): ControlData {
  const clean = directory.controlState === 'shut down' && directory.cleanEnd
  return {
    systemIdentifier: directory.systemIdentifier,
    state: directory.controlState,
    checkpoint: directory.checkpoint,
    shutdownEnd: clean ? lsnOf(endOf(directory.copy)) : null,
    dataChecksums: true,
    walLogHints: true,
    majorVersion: 15,
  }
}
