// What operators change of the cluster's promises while it runs: edit-config, tags.
import type { Fault } from './faults.ts'
import { configure } from './operators.ts'

const done = () => {}

export const modeChange: Fault = {
  name: 'synchronous mode changed',
  begin: (world, _host, random) =>
    configure(world, { synchronous_mode: random.pick(['off', 'on', 'quorum', 'quorum']) }) ? done : null,
}

export const nodeCountChange: Fault = {
  name: 'synchronous node count changed',
  begin: (world, _host, random) =>
    configure(world, { synchronous_node_count: random.integer(1, 3) }) ? done : null,
}

export const strictChange: Fault = {
  name: 'strict mode changed',
  begin: (world, _host, random) =>
    configure(world, { synchronous_mode_strict: random.chance(0.5) }) ? done : null,
}

export const earlyTakeoverChange: Fault = {
  name: 'early takeover changed',
  begin: (world, _host, random) =>
    configure(world, { vigil: { early_takeover: random.chance(0.5) } }) ? done : null,
}

/** A member that is not to be waited for, for a while. */
export const nosync: Fault = {
  name: 'tagged nosync',
  begin: (_world, host) => {
    const { local } = host
    if (local.tags['nosync'] === true) return null
    host.local = { ...local, tags: { ...local.tags, nosync: true } }
    return () => {
      host.local = { ...host.local, tags: { ...host.local.tags, nosync: false } }
    }
  },
}
