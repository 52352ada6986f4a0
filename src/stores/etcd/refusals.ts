// Which of etcd's refusals prove that a transaction was not applied. Everything else is unknown.
import type { Refusal } from './answers.ts'

/**
 * Decided before the proposal, or at its application without effect (read in etcd's source, 3.4 and 3.5). By
 * sentence, not by code: one code covers both kinds. Deliberately absent: every "request timed out", "leader
 * changed", "server stopped" (the proposal may be in the log), and "database space exceeded": a transaction that
 * crosses the quota is applied and then reported with it.
 */
const NOT_APPLIED = [
  'etcdserver: key is not provided',
  'etcdserver: duplicate key given in txn request',
  'etcdserver: too many operations in txn request',
  'etcdserver: request is too large',
  'etcdserver: requested lease not found',
  'etcdserver: too many requests',
  'etcdserver: permission denied',
  'etcdserver: user name is empty',
  'etcdserver: invalid auth token',
  'etcdserver: revision of auth store is old',
  'etcdserver: no leader',
  'etcdserver: not capable',
  'etcdserver: rpc not supported for learner',
]

/** Refusals of one member, not of the cluster: another endpoint may do it. All of them are before the proposal. */
const ASK_ANOTHER = [
  'etcdserver: no leader',
  'etcdserver: not capable',
  'etcdserver: rpc not supported for learner',
]

/** The token is too old, or authentication was switched on since: a new token helps. */
const TOKEN_REFUSED = [
  'etcdserver: invalid auth token',
  'etcdserver: user name is empty',
  'etcdserver: revision of auth store is old',
]

/** gRPC: cancelled, unknown, deadline exceeded, internal, unavailable, data loss. */
const TROUBLE_CODES: readonly (number | null)[] = [null, 1, 2, 4, 13, 14, 15]

export function certainlyNotApplied(refusal: Refusal): boolean {
  return refusal.code !== null && NOT_APPLIED.includes(refusal.message)
}

export function concernsOneMember(refusal: Refusal): boolean {
  return ASK_ANOTHER.includes(refusal.message)
}

export function tokenRefused(refusal: Refusal): boolean {
  return TOKEN_REFUSED.includes(refusal.message)
}

/** The endpoint is in trouble, as opposed to a request that no endpoint would accept. */
export function isTrouble(refusal: Refusal): boolean {
  return TROUBLE_CODES.includes(refusal.code)
}

export function authenticationOff(refusal: Refusal): boolean {
  return refusal.message === 'etcdserver: authentication is not enabled'
}
