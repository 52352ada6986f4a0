// The instance that the guard watches over: its processes as far as they are known, and the hands that reach them.

import type { InstanceCgroup } from './cgroup.ts'
import { type Instance, instanceAlive, killInstance } from './kill.ts'
import type { GuardEvent } from './model.ts'
import {
  canAct,
  childrenOf,
  identify,
  type ProcessIdentity,
  readStat,
  send,
  stillThere,
  worksIn,
} from './processes.ts'

export interface WatchedInstance {
  readonly postmaster: ProcessIdentity | null
  /** Remembers the postmaster: our child, or one that something else started. */
  watch(pid: number, ownChild: boolean): void
  forget(): void
  /** The directory as the kernel names it; it may change while nothing runs. */
  locate(dataDirectory: string): void
  /** Both end with whether anything can act. */
  kill(): GuardEvent
  look(): GuardEvent
  signal(signal: NodeJS.Signals): void
  /** Once a second while it runs: who must be found again if the postmaster dies, and whether it is where it should be. */
  rememberChildren(): void
  /** An adopted postmaster is nobody's child here: its end is seen by looking. */
  adoptedGone(): boolean
  /** A postmaster in the data directory that is not known yet: `pid` as its lock file says. */
  isStranger(pid: number): boolean
  /** Processes without a postmaster that we know. */
  orphaned(): boolean
}

export function watchInstance(cgroup: InstanceCgroup): WatchedInstance {
  let instance: Instance = { dataDirectory: '/nonexistent', postmaster: null, knownChildren: [], cgroup }
  let ownChild = true

  return {
    get postmaster() {
      return instance.postmaster
    },
    watch(pid, own) {
      ownChild = own
      instance = { ...instance, postmaster: identify(pid), knownChildren: [] }
    },
    forget() {
      instance = { ...instance, postmaster: null }
    },
    locate(dataDirectory) {
      instance = { ...instance, dataDirectory }
    },
    kill: () => ({ kind: 'processes', alive: killInstance(instance) }),
    look: () => ({ kind: 'processes', alive: instanceAlive(instance) }),
    signal(signal) {
      if (instance.postmaster && stillThere(instance.postmaster)) send(instance.postmaster.pid, signal)
    },
    rememberChildren() {
      if (!instance.postmaster) return
      if (ownChild) cgroup.confirm(instance.postmaster.pid)
      const known = new Map(instance.knownChildren.map(child => [child.pid, child]))
      const children = childrenOf(instance.postmaster.pid).map(pid => known.get(pid) ?? identify(pid))
      instance = { ...instance, knownChildren: children.filter(child => child !== null) }
    },
    adoptedGone() {
      if (!instance.postmaster || ownChild) return false
      const stat = readStat(instance.postmaster.pid)
      return stat?.startedAt !== instance.postmaster.startedAt || stat.state === 'Z'
    },
    isStranger: pid => instance.postmaster === null && canAct(pid) && worksIn(pid, instance.dataDirectory),
    orphaned: () => instance.postmaster === null && instanceAlive(instance),
  }
}
