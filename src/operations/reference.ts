// docs/rest.md, made from the table of operations.
import * as z from 'zod'
import type { Operation } from './operation.ts'
import { OPERATIONS } from './table.ts'

export function restReference(): string {
  const health = OPERATIONS.filter(isHealthRow)
  const documents = OPERATIONS.filter(operation => !operation.changes && !isHealthRow(operation))
  const actions = OPERATIONS.filter(operation => operation.changes)
  return [
    INTRODUCTION,
    '## Health checks\n\nGET, HEAD and OPTIONS. 200: it is so; 503: it is not. The body is that of `/patroni`.\n',
    '| paths | 200 when | query |\n| --- | --- | --- |',
    ...health.map(row => `| ${paths(row)} | ${row.about} | ${queryText(row)} |`),
    '\n## Documents\n',
    ...documents.map(section),
    '## Actions\n\nAll of them ask for `restapi.authentication`, `restapi.allowlist` and `restapi.verify_client`, as far as these are set.',
    'With `?dry_run=true` the conditions are checked, the answer says what would happen, and nothing is written.\n',
    ...actions.map(section),
  ].join('\n')
}

const INTRODUCTION = `# REST interface

This file is made from the table of operations (\`src/operations/table.ts\`); a test keeps it so.

Every member serves it at \`restapi.listen\`. Paths, bodies and status codes are Patroni's wherever Patroni has them;
\`/status\`, \`/explain\`, \`/logs\`, \`?dry_run\` and \`If-Match\` are vigil's. Paths are compared exactly as they are sent.

- A request whose path is unknown gets 404, one with a method that the path does not have 405.
- 401: a password is needed or wrong. 403: this address, this certificate or this web page may not.
- A body is JSON whatever its content type says, and at most 64 KiB (413).
- A client may have 64 connections, all of them together 256. A request must arrive within 10 s, its headers within 5 s.
- What goes wrong inside is logged there; the answer is 500 with no more than that.
`

function isHealthRow(operation: Operation): boolean {
  return (
    operation.name.startsWith('health-') || operation.name === 'liveness' || operation.name === 'readiness'
  )
}

function section(operation: Operation): string {
  const access = !operation.changes && operation.access === 'operator' ? ' Asks for authentication.' : ''
  const verb = operation.verb ? ` Command line: \`vigil ${operation.verb}\`.` : ''
  return [
    `### ${operation.method} ${paths(operation)}\n`,
    `${operation.about}${access}${verb}\n`,
    ...(operation.query ? [`Query: ${queryText(operation)}.\n`] : []),
    ...(operation.body
      ? [`Body${operation.bodyOptional ? ' (optional)' : ''}: ${bodyText(operation.body)}.\n`]
      : []),
    ...(operation.needs ? [`Checked first: ${operation.needs.join('; ')}.\n`] : []),
    ...Object.entries(operation.answers).map(([status, meaning]) => `- ${status}: ${meaning}`),
    '',
  ].join('\n')
}

function paths(operation: Operation): string {
  return operation.paths.map(path => `\`${path}\``).join(', ')
}

function queryText({ query }: Operation): string {
  return Object.entries(query ?? {})
    .map(([name, about]) => `\`${name}\`: ${about}`)
    .join('; ')
}

function bodyText(body: z.ZodType): string {
  if (!(body instanceof z.ZodObject)) return 'a JSON object'
  return Object.keys(body.shape)
    .map(name => `\`${name}\``)
    .join(', ')
}
