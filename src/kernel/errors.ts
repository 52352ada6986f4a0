// Failures that an operator can act on: a code, what it concerns, and a sentence that says what to do.

/** Code, its exit status for the command line, and the sentence shown. `{key}` is replaced from the details. */
const FAILURES = {
  CONFIG_INVALID: [1, '{message}'],
  STORE_UNREACHABLE: [
    1,
    'The consensus store did not answer at {endpoints}: {reason}. Check that it runs and that the addresses in the configuration are right.',
  ],
  STORE_REFUSED: [1, 'The consensus store refused the request: {reason}.'],
  BINARIES_NOT_FOUND: [
    1,
    'PostgreSQL program "{program}" was not found in {directory}. Install PostgreSQL or set postgresql.bin_dir.',
  ],
  DATA_DIRECTORY: [1, 'Data directory {directory}: {reason}.'],
  STATE_DIRECTORY: [1, 'State directory {directory}: {reason}.'],
  FOREIGN_CLUSTER: [
    1,
    'Data directory {directory} belongs to another cluster (system identifier {found}, this cluster has {expected}). Nothing was changed. Point postgresql.data_dir elsewhere, or move that directory away.',
  ],
  FOREIGN_SOURCE: [
    1,
    'The server at {source} belongs to another cluster (system identifier {found}, this cluster has {expected}). Nothing was copied from it.',
  ],
  NAME_IN_USE: [
    1,
    'A member named "{name}" is already running with another installation ({install}). Give this one another name, or stop the other and wait {seconds} s.',
  ],
  PORT_IN_USE: [
    1,
    'Address {address} is already in use ({purpose}). Stop what listens there or change {key}.',
  ],
  GUARD_UNAVAILABLE: [1, 'The guard did not start: {reason}.'],
  POSTGRES_FAILED: [1, 'PostgreSQL: {reason}.'],
  CLONE_FAILED: [1, 'Clone from {source} failed: {reason}.'],
  REWIND_FAILED: [1, 'pg_rewind from {source} failed: {reason}.'],
  EVIDENCE_NOT_KEPT: [
    1,
    'What only this copy of the data has could not be kept, so it is not replaced: {reason}. Make room, or set vigil.evidence_dir, or let it go with vigil.evidence: false.',
  ],
  REQUEST_REFUSED: [1, '{reason}.'],
  USAGE: [3, '{message}'],
  MEMBER_UNREACHABLE: [2, 'No member answered ({tried}). Is vigild running there?'],
} as const satisfies Record<string, readonly [number, string]>

export type FailureCode = keyof typeof FAILURES

export class VigilError extends Error {
  readonly code: FailureCode
  readonly details: Readonly<Record<string, string | number>>

  constructor(
    code: FailureCode,
    details: Readonly<Record<string, string | number>> = {},
    options?: { cause?: unknown },
  ) {
    const sentence = FAILURES[code][1].replace(/\{(\w+)\}/g, (_, key: string) =>
      String(details[key] ?? 'unknown'),
    )
    super(sentence, options)
    this.name = 'VigilError'
    this.code = code
    this.details = details
  }

  get exitStatus(): number {
    return FAILURES[this.code][0]
  }
}

export function isVigilError(error: unknown, code?: FailureCode): error is VigilError {
  return error instanceof VigilError && (code === undefined || error.code === code)
}

/** The shortest honest description of something thrown by code that is not ours. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
