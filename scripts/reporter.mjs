// A node:test reporter for machines: one JSON line for each test that ended. Suites are no tests and are left out.

// biome-ignore lint/style/noDefaultExport: node:test loads a reporter by its default export
export default async function* report(source) {
  for await (const event of source) {
    const line = lineOf(event)
    if (line) yield `${JSON.stringify(line)}\n`
  }
}

function lineOf({ type, data }) {
  if (type === 'test:stderr' || type === 'test:stdout')
    return { kind: 'output', file: data.file, text: data.message }
  if (type !== 'test:pass' && type !== 'test:fail') return null
  if (data.details?.type === 'suite' && type === 'test:pass') return null
  const skipped = data.skip !== undefined || data.todo !== undefined
  const kind = skipped ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed'
  // A suite or a parent fails because of a child that was counted already.
  if (kind === 'failed' && data.details?.error?.failureType === 'subtestsFailed') return null
  return {
    kind,
    name: data.name,
    file: data.file ?? null,
    reason: skipped ? (data.skip ?? data.todo) : undefined,
    ms: Math.round(data.details?.duration_ms ?? 0),
    error: kind === 'failed' ? describe(data.details?.error) : undefined,
  }
}

function describe(error) {
  const cause = error?.cause ?? error
  return cause?.stack ?? cause?.message ?? String(cause)
}
