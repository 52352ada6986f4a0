// Where the simulated cluster's records lie.
import { clusterKeys } from '../src/stores/keys.ts'

export const KEYS = clusterKeys('service', 'sim')
