// Health checks for load balancers: Patroni's paths and what they mean.
import type { Operation } from './operation.ts'

const LAG = { lag: 'highest lag behind the leader: bytes, or with kB, MB, GB' }
const TAGS = { tag_NAME: 'value that the tag NAME must have' }
const STREAMING = { replication_state: 'state that replication must be in, such as streaming' }
const UP = { 200: 'it is so', 503: 'it is not' }

const health = { method: 'GET', access: 'open', changes: false, answers: UP } as const

export const HEALTH_OPERATIONS = [
  {
    ...health,
    name: 'health-primary',
    paths: ['/primary', '/', '/master', '/read-write'],
    about: 'This member holds the leadership by an unexpired deadline, and its PostgreSQL runs as primary.',
  },
  {
    ...health,
    name: 'health-leader',
    paths: ['/leader'],
    about: 'The same as /primary.',
  },
  {
    ...health,
    name: 'health-standby-leader',
    paths: ['/standby_leader', '/standby-leader'],
    about: 'Leader of a cluster that follows another one: not supported yet, so never.',
  },
  {
    ...health,
    name: 'health-replica',
    paths: ['/replica'],
    about: 'A running standby without the tag noloadbalance.',
    query: { ...LAG, ...STREAMING, ...TAGS },
  },
  {
    ...health,
    name: 'health-read-only',
    paths: ['/read-only'],
    about: 'As /primary or as /replica.',
    query: { ...LAG, ...STREAMING, ...TAGS },
  },
  { ...health, name: 'health-running', paths: ['/health'], about: 'PostgreSQL runs and answers.' },
  {
    ...health,
    name: 'health-sync',
    paths: ['/sync', '/synchronous'],
    about: 'A running standby that commits wait for, with synchronous_mode: on.',
    query: { ...LAG, ...TAGS },
  },
  {
    ...health,
    name: 'health-quorum',
    paths: ['/quorum'],
    about: 'A running standby that commits may wait for, with synchronous_mode: quorum.',
    query: { ...LAG, ...TAGS },
  },
  {
    ...health,
    name: 'health-async',
    paths: ['/async', '/asynchronous'],
    about: 'A running standby that no commit waits for.',
    query: { ...LAG, ...STREAMING, ...TAGS },
  },
  {
    ...health,
    name: 'health-read-only-sync',
    paths: ['/read-only-sync', '/read-only-synchronous'],
    about: 'As /primary or as /sync.',
    query: TAGS,
  },
  {
    ...health,
    name: 'health-read-only-quorum',
    paths: ['/read-only-quorum'],
    about: 'As /primary or as /quorum.',
    query: TAGS,
  },
  {
    ...health,
    name: 'liveness',
    paths: ['/liveness'],
    about: 'The agent looks at the cluster regularly. Asks PostgreSQL nothing.',
  },
  {
    ...health,
    name: 'readiness',
    paths: ['/readiness'],
    about: 'The leader, or a standby that streams and is not too far behind.',
    query: {
      lag: 'highest lag; default: maximum_lag_on_failover',
      mode: '`apply` (default) compares what is replayed, `write` what is received',
    },
  },
] as const satisfies readonly Operation[]
