// Everything an operator can see or ask: REST routes, the command line's verbs and docs/rest.md come from here.
import {
  ConfigBody,
  FailsafeBody,
  ReinitializeBody,
  ReseedBody,
  RestartBody,
  SealBody,
  SwitchoverBody,
} from './bodies.ts'
import { HEALTH_OPERATIONS } from './health-table.ts'
import type { Operation } from './operation.ts'

const document = { method: 'GET', access: 'open', changes: false } as const
const action = { access: 'operator', changes: true } as const

const DOCUMENTS = [
  {
    ...document,
    name: 'patroni',
    paths: ['/patroni'],
    about: "This member in Patroni's words, with vigil's own under `vigil`.",
    answers: { 200: 'always' },
  },
  {
    ...document,
    name: 'cluster',
    paths: ['/cluster'],
    about: "All members in Patroni's words.",
    answers: { 200: 'the members', 503: 'the store does not answer' },
  },
  {
    ...document,
    name: 'status',
    paths: ['/status'],
    about: "Everything this member knows, in vigil's words.",
    answers: { 200: 'the status', 503: 'nothing has been looked at yet' },
    verb: 'status',
  },
  {
    ...document,
    name: 'history',
    paths: ['/history'],
    about: 'Timelines that ended: number, position, reason, time, next leader.',
    answers: { 200: 'the rows', 503: 'the store does not answer' },
    verb: 'history',
  },
  {
    ...document,
    name: 'evidence',
    paths: ['/vigil/evidence'],
    about:
      'What only copies of this member had before they were rewound or replaced: where it is kept, from which position on, how many commits and rows.',
    answers: { 200: 'the list, oldest first' },
    verb: 'history',
  },
  {
    ...document,
    name: 'config',
    paths: ['/config'],
    about: 'The dynamic configuration. The ETag header is its revision.',
    answers: { 200: 'the configuration', 502: 'there is none', 503: 'the store does not answer' },
    verb: 'show-config',
  },
  {
    ...document,
    name: 'failsafe',
    paths: ['/failsafe'],
    about: 'Whom a leader without a store asks: addresses by member, as they were last known.',
    answers: { 200: 'the addresses', 502: 'failsafe_mode is off, or nobody has led with it yet' },
  },
  {
    ...document,
    name: 'explain',
    paths: ['/explain'],
    about: 'The recorded decisions of this member, oldest first.',
    answers: { 200: 'the decisions' },
    verb: 'explain',
  },
  {
    ...document,
    name: 'logs',
    paths: ['/logs'],
    access: 'operator',
    about: "The last lines of a member's log, oldest first.",
    query: { lines: 'how many, 100 by default, 1000 at most' },
    answers: { 200: 'the lines' },
    verb: 'logs',
  },
  {
    ...document,
    name: 'metrics',
    paths: ['/metrics'],
    about: 'For Prometheus.',
    answers: { 200: 'the samples' },
  },
] as const satisfies readonly Operation[]

const ACTIONS = [
  {
    ...action,
    name: 'switchover',
    method: 'POST',
    paths: ['/switchover'],
    about:
      'Hands the leadership over as planned: nothing that was acknowledged is lost. Waits until it is done.',
    body: SwitchoverBody,
    needs: [
      '`leader` is the leader',
      'a candidate that may lead answers',
      'in maintenance mode: a named candidate',
    ],
    answers: {
      200: 'done',
      202: 'scheduled',
      400: 'a field is missing or contradicts another',
      409: 'somebody else asked at the same moment',
      412: 'a condition is not met',
      422: 'the time is in the past or cannot be read',
      503: 'failed, or not known to be done',
    },
    verb: 'switchover',
  },
  {
    ...action,
    name: 'failover',
    method: 'POST',
    paths: ['/failover'],
    about:
      'Makes a named candidate the leader, also when nobody leads. With `leader` it is a switchover. With `accept_loss` the candidate leads although it may lack what was acknowledged, and also in maintenance mode, once the last leader has been silent for its ttl.',
    body: SwitchoverBody,
    needs: ['the candidate may lead and answers'],
    answers: {
      200: 'done',
      400: 'a field is missing or contradicts another',
      409: 'somebody else asked at the same moment',
      412: 'a condition is not met',
      503: 'failed, or not known to be done',
    },
    verb: 'failover',
  },
  {
    ...action,
    name: 'cancel-switchover',
    method: 'DELETE',
    paths: ['/switchover', '/failover'],
    about: 'Withdraws a scheduled switchover.',
    answers: { 200: 'withdrawn', 404: 'none is scheduled', 409: 'it has just changed' },
    verb: 'switchover --cancel',
  },
  {
    ...action,
    name: 'patch-config',
    method: 'PATCH',
    paths: ['/config'],
    about:
      'Changes keys of the dynamic configuration; null deletes. `pause` is one of them. If-Match: the ETag that was read.',
    body: ConfigBody,
    needs: ['every value can be read', 'nobody else changes it at the same moment'],
    answers: {
      200: 'the new configuration',
      400: 'a value cannot be used',
      409: 'it has changed meanwhile',
      502: 'the store refused',
      503: 'there is none, or the store does not answer',
    },
    verb: 'edit-config, pause, resume',
  },
  {
    ...action,
    name: 'put-config',
    method: 'PUT',
    paths: ['/config'],
    about: 'Replaces the dynamic configuration. If-Match: the ETag that was read.',
    body: ConfigBody,
    needs: ['every value can be read', 'nobody else changes it at the same moment'],
    answers: {
      200: 'the new configuration',
      400: 'a value cannot be used',
      409: 'it has changed meanwhile',
      502: 'the store refused',
      503: 'the store does not answer',
    },
    verb: 'edit-config --replace',
  },
  {
    ...action,
    name: 'reload',
    method: 'POST',
    paths: ['/reload'],
    about: 'Reads the configuration file again and reloads PostgreSQL.',
    answers: { 202: 'it will be done', 503: 'it cannot' },
    verb: 'reload',
  },
  {
    ...action,
    name: 'restart',
    method: 'POST',
    paths: ['/restart'],
    about:
      'Restarts PostgreSQL, now or at a given time. A scheduled restart is forgotten when the agent restarts.',
    body: RestartBody,
    bodyOptional: true,
    needs: ['role, postgres_version and restart_pending agree with this member', 'nothing long is running'],
    answers: {
      200: 'restarted successfully',
      202: 'scheduled',
      400: 'a condition cannot be read',
      409: 'another one is scheduled',
      422: 'the time is in the past or cannot be read',
      500: 'nothing is scheduled in maintenance mode',
      503: 'conditions not met, busy, or failed',
    },
    verb: 'restart',
  },
  {
    ...action,
    name: 'cancel-restart',
    method: 'DELETE',
    paths: ['/restart'],
    about: 'Withdraws a scheduled restart.',
    answers: { 200: 'withdrawn', 404: 'none is scheduled' },
    verb: 'restart --cancel',
  },
  {
    ...action,
    name: 'reinitialize',
    method: 'POST',
    paths: ['/reinitialize'],
    about:
      "Replaces a member's copy of the data by a new one. The old copy goes when the new one is complete.",
    body: ReinitializeBody,
    bodyOptional: true,
    needs: ['this member does not lead, and another one does', 'no copy is being made, or `force`'],
    answers: { 200: 'started', 503: 'the reason why not' },
    verb: 'reinit',
  },
  {
    ...action,
    name: 'reseed-store',
    method: 'POST',
    paths: ['/vigil/reseed'],
    about:
      'Begins the term record anew in a store that was restored, emptied or replaced. The members then trust the store as it is now, and the most advanced of them leads. `scope` is the name of the cluster, typed by whoever means it.',
    body: ReseedBody,
    needs: [
      'this member does not trust the store as it is',
      'no member that answers runs as primary',
      'no member that answers knows a later term',
    ],
    answers: {
      200: 'done',
      400: 'a field is missing or cannot be read',
      409: 'the record has just changed',
      412: 'a condition is not met',
      503: 'the store does not answer, or not known to be done',
    },
    verb: 'store reseed',
  },
  {
    ...action,
    name: 'seal',
    method: 'POST',
    paths: ['/vigil/seal'],
    about:
      'For members, not for people: a candidate asks a standby to stop receiving until the term record moves on, so that a silent leader can be replaced without loss (synchronous modes).',
    body: SealBody,
    needs: [
      'the leader is not heard here',
      'no renewal was seen a moment ago',
      'PostgreSQL here is no primary',
    ],
    answers: {
      200: 'the seal and the position, or why it is refused',
      400: 'a field is missing or cannot be read',
      412: 'another cluster',
      503: 'not sealed yet',
    },
  },
  {
    ...action,
    name: 'ask-failsafe',
    method: 'POST',
    paths: ['/failsafe'],
    about:
      'For members, not for people: a leader that has lost the store asks every member that may lead to leave the leadership alone for one ttl, and goes on only if all accept.',
    body: FailsafeBody,
    needs: [
      'PostgreSQL here is no primary',
      'this member knows no later term and no newer record',
      'it is not sealed, and no takeover of its own may still be applied',
    ],
    answers: {
      200: '`Accepted`: a promise',
      400: 'a field is missing or cannot be read',
      409: 'something stands against it',
      412: 'another cluster',
      500: 'this member runs as primary itself',
      502: 'a Patroni agent asks, and failsafe_mode is off',
      503: 'no decision in time',
    },
  },
] as const satisfies readonly Operation[]

export const OPERATIONS = [
  ...HEALTH_OPERATIONS,
  ...DOCUMENTS,
  ...ACTIONS,
] as const satisfies readonly Operation[]

export type OperationName = (typeof OPERATIONS)[number]['name']
export type ActionName = (typeof ACTIONS)[number]['name']
export type DocumentName = (typeof DOCUMENTS)[number]['name']
export type HealthName = (typeof HEALTH_OPERATIONS)[number]['name']

export function operationNamed(name: OperationName): Operation {
  return OPERATIONS.find(operation => operation.name === name)!
}
