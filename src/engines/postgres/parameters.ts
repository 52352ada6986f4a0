// Which parameters go into the file and which onto the postmaster's command line, where no file can override them.
import { VigilError } from '../../kernel/errors.ts'
import { oneLine } from './conninfo.ts'

export type Parameters = Readonly<Record<string, string>>

/** On the command line, with the value for an instance that nobody has configured. Patroni's list. */
const COMMAND_LINE: Parameters = {
  wal_level: 'replica',
  hot_standby: 'on',
  max_connections: '100',
  max_wal_senders: '10',
  max_prepared_transactions: '0',
  max_locks_per_transaction: '64',
  track_commit_timestamp: 'off',
  max_replication_slots: '10',
  max_worker_processes: '8',
  wal_log_hints: 'on',
}

/** Always these: an instance that starts otherwise than by the guard must not come up writable or reachable. */
const FIXED: Parameters = { hot_standby: 'on', restart_after_crash: 'off' }

/** Used unless configured. */
const DEFAULTS: Parameters = {
  wal_keep_size: '128MB',
  // The wait after a refused attempt, when the new primary does not accept yet (decision 0013).
  wal_retrieve_retry_interval: '200ms',
}

/** Never from the configuration; whatever else the caller lets through. */
const REFUSED = new Set([
  'listen_addresses',
  'port',
  'cluster_name',
  'data_directory',
  'config_file',
  'primary_conninfo',
  'primary_slot_name',
  'promote_trigger_file',
  'trigger_file',
  'standby_mode',
])

/** Settings that a file written by ALTER SYSTEM must not hold, since that file wins over ours. */
export function belongsToUs(name: string): boolean {
  const lower = name.toLowerCase()
  return (
    /^recovery_target/.test(lower) ||
    [
      'primary_conninfo',
      'primary_slot_name',
      'promote_trigger_file',
      'synchronous_standby_names',
      'restore_command',
      'recovery_min_apply_delay',
      'recovery_end_command',
      'archive_cleanup_command',
    ].includes(lower)
  )
}

/** Checked, in lower case, without what the engine sets itself. @throws VigilError CONFIG_INVALID */
export function usableParameters(parameters: Parameters): Parameters {
  const checked = Object.entries(parameters).map(([spelled, value]) => {
    const name = spelled.toLowerCase()
    if (!/^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)*$/.test(name))
      throw invalid(`"${printable(spelled)}" is not the name of a parameter`)
    try {
      return [name, oneLine(name, value)] as const
    } catch {
      throw invalid(`${name}: the value contains a line break or a control character`)
    }
  })
  return Object.fromEntries(checked.filter(([name]) => !REFUSED.has(name) && !/^recovery_target/.test(name)))
}

/** For postgresql.conf. */
export function fileParameters(parameters: Parameters): Parameters {
  return { ...DEFAULTS, ...usableParameters(parameters), ...FIXED }
}

/** For the command line: as configured, but on a standby never below what the primary had (pg_control). */
export function commandLineParameters(
  parameters: Parameters,
  sharedMemory: Readonly<Record<string, number>>,
): Parameters {
  const wanted = wantedOnCommandLine(parameters)
  const raised = Object.entries(wanted).map(([name, value]) => {
    const least = sharedMemory[name]
    return [name, least !== undefined && Number(value) < least ? String(least) : value] as const
  })
  return Object.fromEntries(raised)
}

/** As configured, for comparison with what is in force. */
export function wantedOnCommandLine(parameters: Parameters): Parameters {
  const usable = usableParameters(parameters)
  const wanted = Object.entries(COMMAND_LINE).map(([name, value]) => [name, usable[name] ?? value] as const)
  return { ...Object.fromEntries(wanted), ...FIXED }
}

/** One line of postgresql.conf; there a backslash begins an escape inside quotes. */
export function parameterLine(name: string, value: string): string {
  return `${name} = '${oneLine(name, value).replace(/[\\']/g, '$&$&')}'`
}

function invalid(reason: string): VigilError {
  return new VigilError('CONFIG_INVALID', { message: `postgresql.parameters: ${reason}.` })
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 60)
}
