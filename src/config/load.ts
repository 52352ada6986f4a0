// Reads the configuration of a member: a file or a directory of files, and above them the environment.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { checkTree } from './check.ts'
import { readDocument } from './document.ts'
import { type Environment, readEnvironment, WHOLE_CONFIGURATION } from './environment.ts'
import { type Finding, type Place, sortFindings } from './finding.ts'
import type { LocalConfig } from './local-config.ts'
import { resolveConfig } from './resolve.ts'
import { emptyMapping, mergeTrees, placeOf } from './tree.ts'

export interface ConfigRequest {
  /** A YAML file, or a directory whose *.yml and *.yaml are merged in order of their names. null: environment only. */
  readonly file: string | null
  readonly environment: Environment
}

export interface LoadedConfig {
  /** null exactly when there is an error among the findings. */
  readonly config: LocalConfig | null
  /** In order of file and line. */
  readonly findings: readonly Finding[]
  /** Where a key is written, or would be. */
  readonly placeOf: (key: readonly string[]) => Place
}

/** A text to read, and what to call it in messages. */
export interface Source {
  readonly name: string
  readonly text: string
}

/** Never throws: what cannot be read is a finding. */
export async function loadConfig({ file, environment }: ConfigRequest): Promise<LoadedConfig> {
  if (file === null) {
    const whole = environment[WHOLE_CONFIGURATION]
    return parseConfig(whole ? [{ name: WHOLE_CONFIGURATION, text: whole }] : [], environment)
  }
  const { sources, findings } = await readSources(file)
  if (findings.length === 0) return parseConfig(sources, environment)
  return { config: null, findings, placeOf: () => ({ file, line: null, column: null }) }
}

/** The same, from texts at hand; later ones win. */
export function parseConfig(sources: readonly Source[], environment: Environment = {}): LoadedConfig {
  const findings: Finding[] = []
  let root = emptyMapping({
    file: sources[0]?.name ?? 'configuration',
    line: sources.length > 0 ? 1 : null,
    column: null,
  })
  for (const { name, text } of sources) {
    const read = readDocument(text, name)
    findings.push(...read.findings)
    if (read.root?.kind === 'mapping') root = mergeTrees(root, read.root)
    else if (read.root !== null)
      findings.push(notAMapping(name, read.root.kind === 'scalar' && read.root.value === null))
  }
  const variables = readEnvironment(environment)
  root = mergeTrees(root, variables.root)
  findings.push(...variables.findings)
  if (findings.some(finding => finding.severity === 'error'))
    return { config: null, findings: sortFindings(findings), placeOf: key => placeOf(root, key) }
  const checked = checkTree(root)
  const broken = checked.findings.filter(finding => finding.severity === 'error').map(finding => finding.key)
  const resolved = resolveConfig(checked.written, root, broken)
  const all = sortFindings(withoutEchoes([...findings, ...checked.findings, ...resolved.findings]))
  const config = broken.length > 0 ? null : resolved.config
  return { config, findings: all, placeOf: key => placeOf(root, key) }
}

/** What an error says about a key, a note need not say again. */
function withoutEchoes(findings: readonly Finding[]): readonly Finding[] {
  const wrong = new Set(findings.filter(finding => finding.severity === 'error').map(finding => finding.key))
  return findings.filter(finding => finding.severity !== 'note' || !wrong.has(finding.key))
}

async function readSources(file: string): Promise<{
  readonly sources: readonly Source[]
  readonly findings: readonly Finding[]
}> {
  try {
    const names = (await stat(file)).isDirectory() ? await yamlFilesIn(file) : [file]
    if (names.length === 0) return { sources: [], findings: [unreadable(file, 'a directory without *.yml')] }
    const sources = await Promise.all(names.map(async name => ({ name, text: await readFile(name, 'utf8') })))
    return { sources, findings: [] }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    return { sources: [], findings: [unreadable(file, READ_ERRORS[code] ?? `an error (${code})`)] }
  }
}

async function yamlFilesIn(directory: string): Promise<readonly string[]> {
  const names = (await readdir(directory)).filter(name => /\.ya?ml$/.test(name))
  return names.sort().map(name => join(directory, name))
}

const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'a file that this user may not read',
  EISDIR: 'a directory',
}

function unreadable(file: string, found: string): Finding {
  const expected = 'a YAML file, or a directory of them'
  const hint = 'Check the path and who may read it.'
  return {
    severity: 'error',
    code: 'unreadable',
    file,
    line: null,
    column: null,
    key: '',
    found,
    expected,
    hint,
  }
}

function notAMapping(file: string, empty: boolean): Finding {
  const found = empty ? 'nothing' : 'something else'
  const hint = 'vigild --generate-sample-config prints a file to start from.'
  const expected = 'sections such as scope:, restapi:, postgresql:'
  return { severity: 'error', code: 'wrong-type', file, line: 1, column: 1, key: '', found, expected, hint }
}
