// Mistakes that the simulation has to catch: each is a change of the sources, made while they are bundled.
import type { Plant } from './plant.ts'
import { FAILSAFE_PLANTS } from './plants-failsafe.ts'
import { LEADERSHIP_PLANTS } from './plants-leadership.ts'
import { RULE_PLANTS } from './plants-rules.ts'
import { SEALING_PLANTS } from './plants-sealing.ts'

export const PLANTS: readonly Plant[] = [
  ...LEADERSHIP_PLANTS,
  ...FAILSAFE_PLANTS,
  ...SEALING_PLANTS,
  ...RULE_PLANTS,
]
