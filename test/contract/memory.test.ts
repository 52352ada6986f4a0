// The in-memory store under the contract that real stores pass.
import { createMemoryStore, type Fault } from '../../src/stores/memory.ts'
import { storeContract } from './store-contract.ts'

const clock = {
  now: () => ({ mono: performance.now(), boot: performance.now() }),
  after: (ms: number, callback: () => void) => {
    // A call that never ends must not keep the test alive.
    const timer = setTimeout(callback, ms).unref()
    return () => clearTimeout(timer)
  },
}

storeContract('memory', async () => {
  const store = createMemoryStore(clock)
  let fault: Fault = 'none'
  const set = (next: Fault) => async () => {
    fault = next
  }
  return {
    connect: () => store.open(() => fault),
    faults: {
      loseAnswers: set('answer-lost'),
      refuse: set('refused'),
      freeze: set({ delayMs: 60_000 }),
      heal: set('none'),
      // Nothing to cut, restart or move: one process, no connection.
      cut: set('none'),
      restart: set('none'),
      moveLeader: set('none'),
    },
    stop: async () => {},
  }
})
