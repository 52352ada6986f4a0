// One run: draws the scenario of a seed, builds its world, lets the faults happen, heals, and demands that it works.

import { buildWorld } from './build.ts'
import type { Checker, Violation } from './checker.ts'
import { superviseStore } from './faults-store.ts'
import { healEverything, obstacleToHealth } from './health.ts'
import type { SimLog } from './log.ts'
import { type Random, seededRandom } from './random.ts'
import { drawScenario, type Scenario } from './scenario.ts'
import type { Step, Target } from './story.ts'
import type { Host, World } from './world.ts'

/** What decides a run. */
export interface Plan {
  readonly seed: number
  /** Name of the only theme or story to draw from; null: any. */
  readonly theme: string | null
  /** Another course of everything that the scenario does not decide; 0: the seed's own. */
  readonly salt?: number
  /** Instead of what the seed draws. */
  readonly steps?: readonly Step[]
}

export interface RunResult {
  readonly seed: number
  readonly theme: string
  readonly violations: readonly Violation[]
  readonly hash: string
  readonly virtualMs: number
  readonly events: number
  readonly acknowledged: number
  readonly promotions: number
  readonly switchovers: number
  readonly faults: number
  /** From healing until everything works again. */
  readonly healedAfterMs: number | null
}

interface Simulation {
  readonly world: World
  readonly checker: Checker
  readonly scenario: Scenario
  /** How to take back what is in force. */
  readonly undos: Set<() => void>
  faults: number
}

const START_LIMIT_MS = 90_000
/** Beyond the ttl: elections, recovery, checkpoint, rewind or clone, and a retry of each. */
const RECOVERY_LIMIT_MS = 60_000
const STABLE_MS = 3000
const LOOK_MS = 250
const CALM_PROMOTIONS_MAX = 3
const PROMOTIONS_PER_FAULT = 3

export async function simulate(plan: Plan): Promise<RunResult & { readonly log: SimLog }> {
  const { seed } = plan
  const { scenario, worldRandom } = draw(plan)
  const simulation: Simulation = {
    ...buildWorld(scenario, worldRandom),
    scenario,
    undos: new Set(),
    faults: 0,
  }
  const { world, checker } = simulation
  const { scheduler, log } = world
  const rejected = (error: unknown) => checker.report('bug', `unhandled: ${String(error)}`)
  process.on('unhandledRejection', rejected)
  try {
    log.line('seed', `${seed}: ${describe(scenario)}`)
    const up = await start(simulation)
    if (up || scenario.impatient) await disturb(simulation)
    const healedAfterMs = await demandHealth(simulation)
    const { acknowledged, promotions, switchovers } = checker.totals
    log.line('end', `${acknowledged} acknowledged, ${promotions} promotions, ${simulation.faults} faults`)
    const result = {
      seed,
      theme: scenario.theme,
      violations: checker.violations(),
      faults: simulation.faults,
    }
    const totals = {
      virtualMs: scheduler.now(),
      events: scheduler.count(),
      acknowledged,
      promotions,
      switchovers,
    }
    return { ...result, ...totals, hash: log.hash(), healedAfterMs, log }
  } finally {
    process.off('unhandledRejection', rejected)
  }
}

/** The scenario of a plan, and the chance that everything else in its world takes. */
export function draw(plan: Plan): { readonly scenario: Scenario; readonly worldRandom: Random } {
  const random = seededRandom(plan.seed)
  const drawn = drawScenario(random.fork(), plan.theme)
  const worldRandom = plan.salt ? seededRandom(random.integer(0, 0xffffffff) ^ plan.salt) : random.fork()
  return { scenario: plan.steps ? { ...drawn, steps: plan.steps } : drawn, worldRandom }
}

function describe(scenario: Scenario): string {
  const { theme, members, ttlSeconds, steps, promises } = scenario
  const mode = `${promises['synchronous_mode'] ?? 'off'}${promises['synchronous_mode_strict'] ? ' strict' : ''}`
  return `${members.length} members, ttl ${ttlSeconds} s, synchronous ${mode}, ${steps.length} faults, theme ${theme}`
}

/** The cluster comes into being. False: it was not up in time. */
async function start({ world, scenario }: Simulation): Promise<boolean> {
  const { scheduler } = world
  const newcomer = scenario.newcomer ? world.hosts.at(-1)! : null
  for (const [index, host] of world.hosts.entries())
    if (host !== newcomer) scheduler.after(scenario.starts[index]!, () => host.startAgent())
  const limit = scenario.impatient ? world.random.between(500, 6000) : START_LIMIT_MS
  const healthy = await waitFor(world, limit, () => obstacleToHealth(world, newcomer) === null)
  world.log.line('sim', healthy ? 'the cluster is up' : 'the cluster is not up yet')
  return healthy
}

async function disturb(simulation: Simulation): Promise<void> {
  const { world, scenario, undos } = simulation
  const { scheduler } = world
  for (const step of scenario.steps) scheduler.after(step.at, () => perform(simulation, step))
  await waitFor(world, scenario.phaseMs, () => simulation.checker.violations().length > 0)
  world.log.line('sim', 'heals')
  for (const undo of [...undos]) undo()
  undos.clear()
}

function perform(simulation: Simulation, step: Step): void {
  const { world, undos } = simulation
  const random = seededRandom(step.seed)
  const host = targetOf(world, step.target, random)
  const undo = step.fault.begin(world, host, random)
  if (!undo) return
  simulation.faults++
  host.lastFault = world.scheduler.now()
  world.log.line('fault', `${step.fault.name}: ${host.name} for ${step.forMs.toFixed(0)} ms`)
  const end = () => {
    if (!undos.delete(end)) return
    host.lastFault = world.scheduler.now()
    world.log.line('fault', `${step.fault.name}: ${host.name} over`)
    undo()
  }
  undos.add(end)
  world.scheduler.after(step.forMs, end)
}

function targetOf(world: World, target: Target, random: Random): Host {
  const leader = world.hosts.find(host => host.postgres.instance?.phase === 'primary')
  if (target === 'leader' && leader) return leader
  const others = world.hosts.filter(host => host !== leader)
  return random.pick(target === 'standby' && others.length > 0 ? others : world.hosts)
}

/** I18 and I19: soon everything works, and then it stays as it is. */
async function demandHealth(simulation: Simulation): Promise<number | null> {
  const { world, checker, scenario } = simulation
  if (checker.violations().length > 0) return null
  const { scheduler } = world
  healEverything(world)
  if (scenario.storeFails) superviseStore(world)
  const healedAt = scheduler.now()
  const promotionsBefore = checker.totals.promotions
  const limit = Math.max(scenario.ttlSeconds, 16) * 1010 + RECOVERY_LIMIT_MS
  let healthySince: number | null = null
  const stable = () => {
    const obstacle = obstacleToHealth(world)
    if (obstacle !== null) healthySince = null
    else healthySince ??= scheduler.now()
    return healthySince !== null && scheduler.now() - healthySince >= STABLE_MS
  }
  const broken = () => checker.violations().length > 0
  const done = await waitFor(world, limit, () => stable() || broken())
  if (broken()) return null
  if (!done) checker.report('I18', `${(limit / 1000).toFixed(0)} s after healing: ${obstacleToHealth(world)}`)
  const calm = checker.totals.promotions - promotionsBefore
  const allowed = 2 + PROMOTIONS_PER_FAULT * simulation.faults
  if (calm > CALM_PROMOTIONS_MAX) report19(checker, calm, 'after healing')
  if (checker.totals.promotions > allowed)
    report19(checker, checker.totals.promotions, `for ${simulation.faults} faults`)
  return (healthySince ?? scheduler.now()) - healedAt
}

function report19(checker: Checker, promotions: number, why: string): void {
  checker.report('I19', `${promotions} promotions ${why}`)
}

/** Runs until the condition holds, looked at now and then, or the time is over. */
async function waitFor(world: World, limitMs: number, condition: () => boolean): Promise<boolean> {
  const { scheduler } = world
  const until = scheduler.now() + limitMs
  let met = false
  let over = false
  const look = () => {
    met = condition()
    over = met || scheduler.now() >= until
    if (!over) scheduler.after(LOOK_MS, look)
  }
  scheduler.after(0, look)
  await scheduler.run(() => over)
  return met
}
