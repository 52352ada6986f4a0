// Every fault that a seed may draw.
import { DISK_FAULTS } from './disks.ts'
import type { FaultKind } from './fault.ts'
import { NETWORK_FAULTS } from './network.ts'
import { OPERATOR_FAULTS } from './operators.ts'
import { PROCESS_FAULTS } from './processes.ts'
import { STORE_FAULTS } from './store.ts'

export const FAULTS: readonly FaultKind[] = [
  ...NETWORK_FAULTS,
  ...PROCESS_FAULTS,
  ...DISK_FAULTS,
  ...STORE_FAULTS,
  ...OPERATOR_FAULTS,
]
