// The store goes back in time, by an old copy of it, or is another one; and the operator who begins it anew.
import { reseeding } from '../src/core/reseed.ts'
import { situationOf } from '../src/core/situation.ts'
import type { View } from '../src/core/view.ts'
import { decodeCluster } from '../src/stores/cluster-store.ts'
import { encodeTerm } from '../src/stores/codec.ts'
import type { Fault } from './faults.ts'
import { KEYS } from './keys.ts'
import type { World } from './world.ts'

/** How long after the copy was made it takes the place of the store. */
const LOW_MS = 4000
const HIGH_MS = 9000
export const ROLLBACK_MS = HIGH_MS

/** In which an operator has noticed, looked, and typed. */
const OPERATOR_MS = 1500

export const rollback: Fault = {
  name: 'an old copy of the store comes back',
  begin: (world, _host, random) => {
    const { state } = world.store
    const kept = state.snapshot()
    const id = random.chance(0.3) ? random.hex() : state.clusterId()
    world.scheduler.after(random.between(LOW_MS, HIGH_MS), () => {
      world.log.line('fault', `the store is as it was at revision ${kept.revision}`)
      const term = kept.entries.find(entry => entry.key === KEYS.term)
      world.observe.rolledBack(term ?? null)
      state.restore(kept, id)
    })
    return () => {}
  },
}

export const recordDeleted: Fault = {
  name: 'somebody deletes the term record',
  begin: world => {
    world.observe.rolledBack(null)
    world.store.delete(KEYS.term)
    return () => {}
  },
}

/** The one with the newest record is asked. */
function knowledgeOf({ remembered, memory }: View): number {
  const { term = 0, rulesVersion = 0 } = memory.lastKnown?.record ?? {}
  return Math.max(remembered.termMax, term) * 1000 + rulesVersion
}

/** Begins the store anew, as `vigil store reseed` does, once a member asks for it and nobody runs as primary. */
export function superviseStore(world: World): void {
  const { scheduler, store, hosts, random } = world
  const look = () => {
    const frozen = hosts.flatMap(host => {
      const view = host.agent?.process.running() ? host.agent.handle.latest()?.view : undefined
      return view && situationOf(view).frozen !== null ? [view] : []
    })
    const primary = hosts.some(({ postgres }) => postgres.alive() && postgres.instance?.phase === 'primary')
    const [asked] = [...frozen].sort((a, b) => knowledgeOf(b) - knowledgeOf(a))
    if (!asked || primary) return void scheduler.after(OPERATOR_MS, look)
    const clusterId = store.state.clusterId()
    const next = reseeding(asked, decodeCluster(KEYS, { ...store.state.snapshot(), clusterId }))
    world.log.line('operator', `begins the store anew with term ${next.record.term}`)
    const text = encodeTerm(next.record)
    world.observe.begunAnew(text)
    store.put(KEYS.term, text)
    store.delete(KEYS.leader)
    if (next.initialize !== null) store.put(KEYS.initialize, next.initialize)
    if (next.config !== null) store.put(KEYS.config, JSON.stringify(next.config))
    scheduler.after(OPERATOR_MS * (1 + random.next()), look)
  }
  scheduler.after(OPERATOR_MS, look)
}
