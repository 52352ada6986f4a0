// What only several keys together, or the dynamic part of the file, can show.
import { checkDynamicConfig } from '../core/dynamic-config.ts'
import { mergeParameters } from '../core/server-parameters.ts'
import { isMapping } from '../core/setting-kind.ts'
import { NO_LOCAL_SETTINGS } from '../core/settings.ts'
import { TTL_FLOOR_FENCED_MS } from '../core/timeouts.ts'
import { formatAddress, isLoopback, isWildcard } from './address.ts'
import { shown } from './finding.ts'
import type { Judge } from './judge.ts'
import type { WrittenConfig } from './schema.ts'
import { type MappingNode, plainText } from './tree.ts'

export function crossCheck(written: WrittenConfig, root: MappingNode, judge: Judge): void {
  checkStore(written, judge)
  checkAddresses(written, judge)
  checkDirectories(written, judge)
  checkRest(written, judge)
  checkBootstrap(written, judge)
  checkParameters(root, judge)
  checkHba(written, judge)
  checkTags(written, judge)
}

function checkStore({ etcd, etcd3 }: WrittenConfig, judge: Judge): void {
  if (etcd !== undefined && etcd3 !== undefined) {
    const words = {
      found: 'a second store',
      expected: 'etcd3 only',
      hint: 'etcd3 is used. Remove this section.',
    }
    judge.report('warning', 'doubtful', ['etcd'], words)
  } else if (etcd !== undefined) {
    const hint = 'It is used with version 3 of the interface, which keeps other data than version 2.'
    judge.report('note', 'doubtful', ['etcd'], { found: 'section etcd', expected: 'etcd3', hint })
  }
  const section = etcd3 === undefined ? 'etcd' : 'etcd3'
  const store = etcd3 ?? etcd
  const certificates = store?.cacert ?? store?.cert
  const plain = store?.protocol === undefined || store.protocol === 'http'
  const urls = [...(store?.hosts ?? []), store?.host, store?.url]
  if (certificates !== undefined && plain && !urls.some(item => item?.startsWith('https://'))) {
    const words = { found: 'certificates, and http', expected: 'https', hint: 'Add protocol: https.' }
    judge.report('warning', 'doubtful', [section, 'protocol'], words)
  }
}

function checkAddresses({ restapi, postgresql }: WrittenConfig, judge: Judge): void {
  for (const [section, address] of [
    ['restapi', restapi?.connect_address],
    ['postgresql', postgresql?.connect_address],
  ] as const) {
    if (address === undefined || !isLoopback(address.host)) continue
    const found = JSON.stringify(formatAddress(address))
    const hint = 'Right only where all members run on this machine.'
    const words = { found, expected: 'an address that other machines reach', hint }
    judge.report('warning', 'doubtful', [section, 'connect_address'], words)
  }
  const [a, b] = [restapi?.listen, postgresql?.listen]
  if (a === undefined || b === undefined || a.port !== b.port) return
  const everywhere = [...a.hosts, ...b.hosts].some(isWildcard)
  if (!everywhere && !a.hosts.some(host => b.hosts.includes(host))) return
  const words = {
    found: `port ${a.port}`,
    expected: 'another port than postgresql.listen',
    hint: 'Usual is 8008.',
  }
  judge.report('error', 'bad-value', ['restapi', 'listen'], words)
}

function checkDirectories({ vigil, postgresql }: WrittenConfig, judge: Judge): void {
  const [state, data] = [vigil?.state_dir, postgresql?.data_dir]
  if (state === undefined || data === undefined || !`${state}/`.startsWith(`${data}/`)) return
  const expected = 'a directory outside postgresql.data_dir'
  const hint = 'A new copy of the data must not take the promises of this member with it.'
  judge.report('error', 'bad-value', ['vigil', 'state_dir'], { found: JSON.stringify(state), expected, hint })
}

function checkRest({ restapi }: WrittenConfig, judge: Judge): void {
  if (restapi === undefined) return
  const verifies = restapi.verify_client !== undefined && restapi.verify_client !== 'none'
  if (verifies && (restapi.certfile === undefined || restapi.cafile === undefined)) {
    const found = JSON.stringify(restapi.verify_client)
    const words = { found, expected: 'certfile and cafile too', hint: 'Without both, nobody is verified.' }
    judge.report('error', 'bad-value', ['restapi', 'verify_client'], words)
  }
}

function checkBootstrap({ bootstrap }: WrittenConfig, judge: Judge): void {
  if (bootstrap?.method !== undefined && bootstrap.method !== 'initdb') {
    const hint = 'Other methods are not supported yet. No new cluster is made with this file.'
    const words = { found: JSON.stringify(bootstrap.method), expected: 'initdb', hint }
    judge.report('warning', 'not-used-yet', ['bootstrap', 'method'], words)
  }
  if (bootstrap?.dcs === undefined) return
  // The floor that the best guard allows: what this machine's guard can hold is known only where it runs.
  const local = { ...NO_LOCAL_SETTINGS, ttlFloorMs: TTL_FLOOR_FENCED_MS }
  for (const { severity, code, path, found, expected, hint } of checkDynamicConfig(bootstrap.dcs, local)) {
    const key = ['bootstrap', 'dcs', ...path]
    const verbatim = code === 'unknown-key' || code === 'doubtful'
    judge.report(severity, code, key, {
      found: verbatim ? String(found) : shown(key.join('.'), found),
      expected,
      hint,
    })
  }
}

function checkParameters(root: MappingNode, judge: Judge): void {
  const section = root.entries.get('postgresql')?.node
  const parameters = section?.kind === 'mapping' ? section.entries.get('parameters')?.node : undefined
  const local = parameters === undefined ? null : plainText(parameters)
  if (!isMapping(local)) return
  for (const { key, found, expected, misplaced } of mergeParameters({ dynamic: {}, local }).problems) {
    const path = ['postgresql', 'parameters', key.slice('postgresql.parameters.'.length)]
    const words = {
      found: shown(key, found),
      expected,
      hint: misplaced ? 'It has no effect here. Remove it.' : '',
    }
    judge.report(misplaced ? 'warning' : 'error', misplaced ? 'ignored' : 'bad-value', path, words)
  }
}

const HBA_LINE =
  /^\s*($|#|(local|host|hostssl|hostnossl|hostgssenc|hostnogssenc|include|include_if_exists|include_dir)\s)/

function checkHba({ postgresql, bootstrap }: WrittenConfig, judge: Judge): void {
  for (const [path, lines] of [
    [['postgresql', 'pg_hba'], postgresql?.pg_hba],
    [['bootstrap', 'pg_hba'], bootstrap?.pg_hba],
  ] as const) {
    for (const [index, line] of (lines ?? []).entries()) {
      if (HBA_LINE.test(line)) continue
      const words = {
        found: shown('', line),
        expected: 'a line such as "host all all 10.0.0.0/8 scram-sha-256"',
        hint: '',
      }
      judge.report('error', 'bad-value', [...path, String(index)], words)
    }
  }
}

function checkTags({ tags, name }: WrittenConfig, judge: Judge): void {
  const priority = tags?.failover_priority
  if (tags?.nofailover !== undefined && priority !== undefined && tags.nofailover !== priority <= 0) {
    const words = {
      found: String(tags.nofailover),
      expected: 'nofailover or failover_priority, not both',
      hint: 'nofailover wins.',
    }
    judge.report('warning', 'doubtful', ['tags', 'nofailover'], words)
  }
  const syncPriority = tags?.sync_priority
  if (tags?.nosync !== undefined && syncPriority !== undefined && tags.nosync !== syncPriority <= 0) {
    const words = {
      found: String(tags.nosync),
      expected: 'nosync or sync_priority, not both',
      hint: 'nosync wins.',
    }
    judge.report('warning', 'doubtful', ['tags', 'nosync'], words)
  }
  if (tags?.replicatefrom !== undefined && tags.replicatefrom === name) {
    const words = { found: JSON.stringify(name), expected: 'another member', hint: 'It is ignored.' }
    judge.report('warning', 'doubtful', ['tags', 'replicatefrom'], words)
  }
}
