// Which parameters wait for a restart: those that PostgreSQL reports, and those that we gave on the command line.

/** Parameters as they should be, for what stands on the postmaster's command line. */
export type Owned = Readonly<Record<string, string>>

export interface RestartFacts {
  /** Without those from the command line. */
  readonly reported: readonly { readonly name: string; readonly value: string }[]
  /** Value in the files, by name. */
  readonly files: Readonly<Record<string, string>>
  /** Value in force of what came from the command line, by name. */
  readonly commandLine: Readonly<Record<string, string>>
  readonly owned: Owned
}

export type PendingRestart = Readonly<
  Record<string, { readonly oldValue: string; readonly newValue: string }>
>

export function pendingRestart({ reported, files, commandLine, owned }: RestartFacts): PendingRestart {
  const fromFiles = reported.map(
    ({ name, value }) => [name, { oldValue: value, newValue: files[name] ?? 'default' }] as const,
  )
  // PostgreSQL compares with the files, which the command line outdoes, so its own word on these means nothing.
  const ours = Object.entries(owned)
    .filter(([name, wanted]) => commandLine[name] !== undefined && !sameValue(commandLine[name], wanted))
    .map(([name, wanted]) => [name, { oldValue: commandLine[name]!, newValue: wanted }] as const)
  return Object.fromEntries([...fromFiles, ...ours])
}

/** The parameters in question are whole numbers, switches and one list of words. */
function sameValue(inForce: string, wanted: string): boolean {
  return canonical(inForce) === canonical(wanted)
}

function canonical(value: string): string {
  const text = value.trim().toLowerCase()
  if (['on', 'true', 'yes', '1'].includes(text)) return 'on/1'
  if (['off', 'false', 'no', '0'].includes(text)) return 'off/0'
  return text
}
