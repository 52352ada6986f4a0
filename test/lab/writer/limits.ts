// How patient the writing client is.

/** A server that does not take a connection within this is tried again. */
export const CONNECT_LIMIT_MS = 500
/** A statement without an answer for this long counts as unknown, and its connection as lost. */
export const ANSWER_LIMIT_MS = 1000
/** Between two attempts: no client waits longer, so a stall is the cluster's. */
export const RETRY_MS = 20
