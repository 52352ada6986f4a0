// The table that writers fill, and the statements they use.
export const TABLE = 'vigil_lab_writes'

export const CREATE_TABLE = `CREATE TABLE IF NOT EXISTS ${TABLE} (client int, sequence bigint, PRIMARY KEY (client, sequence))`

/** The position is read after the row is in the WAL and before its commit record. */
export const INSERT = `INSERT INTO ${TABLE} (client, sequence) VALUES ($1, $2) RETURNING pg_current_wal_insert_lsn()::text AS position`

export const ROWS = `SELECT client, sequence::text AS sequence FROM ${TABLE}`

/** Whether this server accepts writes, and on which timeline. */
export const LOOK = `
  SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable,
         CASE WHEN pg_is_in_recovery() THEN 0
              ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END AS timeline`
