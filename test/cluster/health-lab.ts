// Members with disks of their own, and what they say of their health.
import { join } from 'node:path'
import { type Disk, makeDisk } from '../lab/disk.ts'
import type { Member } from '../lab/member.ts'
import type { Network } from '../lab/network.ts'
import { stateDirectoryOf } from '../lab/vigil.ts'
import { waitFor } from '../lab/wait.ts'
import type { StageOptions } from './failover-lab.ts'

const DATA_MB = 400
const STATE_MB = 40
const disks = new Map<string, Disk>()

/** WAL that stays small, so that a small disk is full only when a test fills it. */
export const ON_DISKS: StageOptions = {
  prepareHosts: (network: Network) => {
    for (const host of network.hosts) {
      disks.set(`data ${host.name}`, makeDisk(join(host.directory, 'disk'), DATA_MB))
      disks.set(`state ${host.name}`, makeDisk(stateDirectoryOf(host), STATE_MB))
    }
  },
  settings: {
    dataDirectory: host => join(host.directory, 'disk', 'data'),
    parameters: { max_wal_size: '64MB', min_wal_size: '32MB' },
  },
}

export function diskOf(member: Member): Disk {
  return disks.get(`data ${member.name}`)!
}

export function agentDiskOf(member: Member): Disk {
  return disks.get(`state ${member.name}`)!
}

export interface MemberHealth {
  readonly promotable: boolean
  readonly trouble: string | null
}

export async function healthOf(member: Member): Promise<MemberHealth> {
  const { body } = await member.rest('/patroni')
  return (JSON.parse(body) as { readonly vigil: MemberHealth }).vigil
}

/** Its status carries the warning. */
export async function agentWarns(member: Member, code: string): Promise<void> {
  await waitFor(`${member.name} warns of ${code}`, 60_000, async () => {
    const { body } = await member.rest('/status')
    const { warnings } = JSON.parse(body) as { readonly warnings: readonly { readonly code: string }[] }
    return warnings.some(warning => warning.code === code)
  })
}
