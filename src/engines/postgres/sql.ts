// Every SQL text of the engine. Connections have search_path pinned to pg_catalog.

/**
 * One row with everything that a status says, whatever the role; a promotion between two statements would tear it.
 * Functions that refuse the other role stand behind pg_is_in_recovery(). pg_settings is computed whole each time.
 */
export const STATUS = `
WITH settings AS MATERIALIZED (
  SELECT name, setting, reset_val, source, pending_restart FROM pg_settings
  WHERE pending_restart OR source = 'command line' OR name = 'synchronous_commit')
SELECT json_build_object(
  'inRecovery', pg_is_in_recovery(),
  'systemIdentifier', (SELECT system_identifier::text FROM pg_control_system()),
  'serverVersion', current_setting('server_version_num'),
  'postmasterStartedAt', pg_postmaster_start_time(),
  'flushed', CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn()::text END,
  'inserted', CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_insert_lsn()::text END,
  'checksumFailures', (SELECT sum(checksum_failures)::text FROM pg_stat_database),
  'applyDelay', current_setting('recovery_min_apply_delay'),
  'walFile', CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_flush_lsn()) END,
  'received', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()::text END,
  'replayed', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text END,
  'replayPaused', CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END,
  'replayedAt', CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() END,
  'receiver', (SELECT json_build_object('status', status, 'timeline', received_tli,
      'heardMs', extract(epoch FROM clock_timestamp() - last_msg_receipt_time) * 1000) FROM pg_stat_wal_receiver),
  'receiving', EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'walreceiver'),
  'walSegmentBytes', (SELECT bytes_per_wal_segment FROM pg_control_init()),
  'startupWaits', (SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup' LIMIT 1),
  'conninfo', current_setting('primary_conninfo'),
  'restoreCommand', current_setting('restore_command') <> '',
  'replication', (SELECT json_agg(json_build_object(
      'pid', pid, 'user', usename, 'applicationName', application_name, 'clientAddress', host(client_addr), 'state', state,
      'syncState', sync_state, 'syncPriority', sync_priority, 'flushed', flush_lsn::text,
      'slot', (SELECT slot_name FROM pg_replication_slots WHERE active_pid = pg_stat_replication.pid)))
    FROM pg_stat_replication WHERE pid <> pg_backend_pid()),
  'synchronousNames', current_setting('synchronous_standby_names'),
  'weakCommits', CASE WHEN NOT pg_is_in_recovery() THEN (SELECT json_agg(json_build_object(
      'value', value, 'role', (SELECT rolname FROM pg_roles WHERE oid = setrole),
      'database', (SELECT datname FROM pg_database WHERE oid = setdatabase)))
    FROM (
      SELECT setrole, setdatabase, split_part(entry, '=', 2) AS value
      FROM pg_db_role_setting, unnest(setconfig) AS entry WHERE entry LIKE 'synchronous_commit=%'
      UNION ALL
      SELECT 0, 0, reset_val FROM settings
      WHERE name = 'synchronous_commit' AND source NOT IN ('user', 'database', 'database user')
    ) AS commits WHERE value NOT IN ('on', 'remote_apply', 'true', 'yes', '1')) END,
  'slots', (SELECT json_agg(json_build_object(
      'name', slot_name, 'kind', slot_type, 'active', active, 'restartLsn', restart_lsn::text,
      'walStatus', wal_status))
    FROM pg_replication_slots),
  'pendingRestart', (SELECT json_agg(json_build_object('name', name, 'value', current_setting(name)))
    FROM settings WHERE pending_restart AND source <> 'command line'),
  'owned', (SELECT json_object_agg(name, setting) FROM settings WHERE source = 'command line')
)::text AS status`

/** What the files say for parameters that wait for a restart; re-reads the files, so asked only when some do. */
export const FILE_SETTINGS = `
SELECT DISTINCT ON (name) name, setting FROM pg_file_settings ORDER BY name, seqno DESC`

export const IDENTIFY_SYSTEM = 'IDENTIFY_SYSTEM'

export function timelineHistory(timeline: number): string {
  return `TIMELINE_HISTORY ${timeline}`
}

export const SHOW_UPSTREAM = 'SHOW primary_conninfo'

export const REPLAY_PAUSED = 'SELECT pg_is_wal_replay_paused()::text AS paused'
export const PAUSE_REPLAY = 'SELECT pg_wal_replay_pause()'
/** From version 14. */
export const PAUSE_STATE = 'SELECT pg_get_wal_replay_pause_state() AS state'
export const RESUME_REPLAY = 'SELECT pg_wal_replay_resume()'

export const ARCHIVE_MODE = 'SHOW archive_mode'

export const CHECKPOINT = 'CHECKPOINT'

/** A record in the WAL, flushed before the answer; its session waits for no standby (synchronous_commit). */
export const WRITE_PROBE = `SELECT pg_logical_emit_message(true, 'vigil', '')`

export const SYNCHRONOUS_NAMES = `
SELECT current_setting('synchronous_standby_names') AS names, pg_is_in_recovery()::text AS standby`
export const FLUSHED = `SELECT pg_current_wal_flush_lsn()::text AS flushed`

export const SLOT_NAMES = `SELECT slot_name AS name, slot_type AS kind, active::text AS active FROM pg_replication_slots`
export const CREATE_SLOT = `SELECT pg_create_physical_replication_slot($1, true)`
export const DROP_SLOT = `
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active`

/** Of these sessions no change may wait for a standby: there may be none yet. */
export const WAIT_FOR_NOBODY = 'SET synchronous_commit = local'

export const ROLE_PASSWORD = `SELECT rolpassword AS verifier FROM pg_authid WHERE rolname = $1`

export const TABLESPACES = `
SELECT spcname AS name, pg_tablespace_location(oid) AS location
FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')`

/** Roles can't be parameters, so names and verifiers are quoted here. */
export function createRole(name: string, attributes: string, verifier: string | null): string {
  return `CREATE ROLE ${identifier(name)} WITH ${attributes}${passwordClause(verifier)}`
}

export function alterRole(name: string, attributes: string, verifier: string | null): string {
  return `ALTER ROLE ${identifier(name)} WITH ${attributes}${passwordClause(verifier)}`
}

/** What pg_rewind calls on the source, when its role is not the superuser. */
export function rewindGrants(role: string): readonly string[] {
  return [
    'pg_ls_dir(text, boolean, boolean)',
    'pg_stat_file(text, boolean)',
    'pg_read_binary_file(text)',
    'pg_read_binary_file(text, bigint, bigint, boolean)',
  ].map(name => `GRANT EXECUTE ON FUNCTION pg_catalog.${name} TO ${identifier(role)}`)
}

export const DATABASE_NAME = 'SELECT datname FROM pg_database WHERE oid = $1::oid AND datallowconn'

/** Of a file of this database: its table as it is written in SQL, and whether that holds rows of users. */
export const RELATION_OF_FILE = `
  SELECT c.oid::regclass::text AS name,
         (c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema'))::text AS readable
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = pg_filenode_relation($1::oid, $2::oid)`

const ROW_BYTES_MAX = 1024 * 1024

/** Rows in some blocks ($1) whose version is of some transactions ($2). A tuple's line pointers take 28 bytes at least. */
export function lostRows(table: string): string {
  return `
    SELECT vigil_row.xmin::text AS transaction, vigil_row.ctid::text AS tid,
           CASE WHEN octet_length(j.content) <= ${ROW_BYTES_MAX} THEN j.content END AS content
      FROM ONLY ${table} AS vigil_row
     CROSS JOIN LATERAL (SELECT to_json(vigil_row)::text AS content) AS j
     WHERE vigil_row.ctid = ANY (ARRAY(
             SELECT format('(%s,%s)', block, line)::tid
               FROM unnest($1::bigint[]) AS block,
                    generate_series(1, current_setting('block_size')::int / 28) AS line))
       AND vigil_row.xmin::text = ANY ($2::text[])`
}

function passwordClause(verifier: string | null): string {
  return verifier === null ? '' : ` PASSWORD ${literal(verifier)}`
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function literal(text: string): string {
  if (text.includes('\\')) throw new Error('a backslash in an SQL literal')
  return `'${text.replaceAll("'", "''")}'`
}
