// The grammar of `vigil`: verbs, options, help; what each does is in its own file.
import { readFile } from 'node:fs/promises'
import { Command as Commander, CommanderError, InvalidArgumentError, Option } from 'commander'
import { isVigilError } from '../kernel/errors.ts'
import { type OperationName, operationNamed } from '../operations/table.ts'
import { type Command, EXIT } from './command.ts'
import { type ConnectionOptions, openConnection } from './connection.ts'
import type { Surroundings } from './surroundings.ts'
import { editConfig, setPause, showConfig } from './verb-config.ts'
import { explain } from './verb-explain.ts'
import { history } from './verb-history.ts'
import { failover, type LeaderChange, switchover } from './verb-leader.ts'
import { logs, status, version } from './verb-look.ts'
import { type ReinitOptions, type RestartOptions, reinit, reload, restart } from './verb-members.ts'
import { reseed } from './verb-store.ts'

/** Runs one command and gives its exit status. Never throws for what an operator can act on. */
export async function runCli(args: readonly string[], world: Surroundings): Promise<number> {
  const around = printable(world)
  let exit: Promise<number> = Promise.resolve(EXIT.done)
  const program = createProgram(around, next => {
    exit = next
  })
  try {
    program.parse([...args], { from: 'user' })
    return await exit
  } catch (error) {
    if (error instanceof CommanderError) return askedForHelp(error, args) ? EXIT.done : EXIT.usage
    if (around.interrupted.aborted) return EXIT.failed
    if (!isVigilError(error)) throw error
    around.err(`${error.message}\n`)
    return error.exitStatus
  }
}

/** Without arguments help is shown too, but nothing was asked for. */
function askedForHelp({ code }: CommanderError, args: readonly string[]): boolean {
  return args.length > 0 && /^commander\.(help|version)/.test(code)
}

type Run = (command: Command) => Promise<number>

interface GlobalOptions extends ConnectionOptions {
  readonly url?: readonly string[]
  readonly json?: boolean
}

interface VerbOptions {
  readonly yes?: boolean
  readonly force?: boolean
  readonly dryRun?: boolean
}

/** `started` gets the running command, once arguments are understood. */
export function createProgram(around: Surroundings, started: (exit: Promise<number>) => void): Commander {
  const program = new Commander('vigil')
    .description('Looks at a PostgreSQL cluster that vigil keeps writable, and changes it.')
    .option('-c, --config-file <file>', "a member's configuration; found by itself on a member's host")
    .option('-u, --url <url>', 'a member to ask instead, such as http://10.0.0.1:8008; repeatable', collect)
    .option('-k, --insecure', 'certificates are not checked')
    .option('--json', 'JSON instead of text')
    .version(around.version, '-V, --version')
    .helpCommand(true)
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: around.out,
      writeErr: around.err,
      getOutHelpWidth: () => Math.min(around.columns, 100),
    })
    .addHelpText('after', AFTER_HELP)
  const perform = (run: Run, options: VerbOptions = {}) =>
    started(within(program.opts(), options, { around, run }))
  lookVerbs(program, perform)
  leaderVerbs(program, perform)
  memberVerbs(program, perform)
  configVerbs(program, perform, around)
  storeVerbs(program, perform)
  return program
}

const AFTER_HELP = `
Exit status: 0 done; 1 refused or failed; 2 nobody could be reached; 3 not understood, or a
question without a terminal to ask on.`

type Perform = (run: Run, options?: VerbOptions) => void

async function within(
  global: GlobalOptions,
  { yes, force, dryRun }: VerbOptions,
  { around, run }: { readonly around: Surroundings; readonly run: Run },
): Promise<number> {
  const { configFile, url, insecure } = global
  const connection = await openConnection(
    { ...(configFile && { configFile }), ...(url && { urls: url }), insecure: insecure === true },
    around,
  )
  try {
    const command = { connection, around, json: global.json === true }
    return await run({ ...command, yes: yes === true || force === true, dryRun: dryRun === true })
  } finally {
    connection.close()
  }
}

function lookVerbs(program: Commander, perform: Perform): void {
  program
    .command('status')
    .alias('list')
    .description('Members, leader, lags, and what needs attention.')
    .argument('[cluster]', 'for who is used to naming it')
    .option('-w, --watch <seconds>', 'again and again', positive)
    .action((_: string | undefined, options: { watch?: number }) =>
      perform(command => status(command, options.watch ?? null)),
    )
  program
    .command('history')
    .description(
      'Timelines that ended, who led after them, and where commits that were left behind are kept.',
    )
    .argument('[cluster]')
    .action(() => perform(history))
  program
    .command('explain')
    .description('Why this member leads, why nobody was promoted: what the members recorded.')
    .argument('[cluster]')
    .option('-n, --lines <number>', 'decisions to show', positive, 20)
    .option('-a, --all', 'also what happens all the time')
    .action((_: string | undefined, options: { lines: number; all?: boolean }) =>
      perform(command => explain(command, { lines: options.lines, all: options.all === true })),
    )
  program
    .command('logs')
    .description(aboutOf('logs'))
    .argument('[member...]', 'this one by default')
    .option('-n, --lines <number>', 'lines of each', positive, 100)
    .action((names: string[], options: { lines: number }) =>
      perform(command => logs(command, names, options.lines)),
    )
  program
    .command('version')
    .description('Versions of this program and of the members.')
    .argument('[cluster]')
    .action(() => perform(version))
}

function leaderVerbs(program: Commander, perform: Perform): void {
  changing(program.command('switchover'), 'switchover')
    .argument('[cluster]')
    .addOption(new Option('--leader <member>', 'refuse unless this one leads'))
    .addOption(new Option('--primary <member>').hideHelp())
    .option('--candidate <member>', 'who takes over; the best by default')
    .option('--scheduled <time>', 'later, such as 2030-05-01T03:00+02:00')
    .option('--cancel', 'withdraw a scheduled one')
    .action((_: string | undefined, options: LeaderChange & VerbOptions & { primary?: string }) =>
      perform(
        command => switchover(command, { ...options, ...named(options.leader ?? options.primary) }),
        options,
      ),
    )
  changing(program.command('failover'), 'failover')
    .argument('[cluster]')
    .option('--candidate <member>', 'who takes over')
    .option('--accept-loss', 'also without proof that it has every acknowledged commit')
    .action((_: string | undefined, options: LeaderChange & VerbOptions) =>
      perform(command => failover(command, options), options),
    )
}

function named(leader: string | undefined): { readonly leader?: string } {
  return leader === undefined || leader === 'now' ? {} : { leader }
}

function memberVerbs(program: Commander, perform: Perform): void {
  changing(program.command('restart'), 'restart')
    .argument('[member...]', 'all by default, the leader last')
    .option('-r, --role <role>', 'only members of this role: leader, standby, any')
    .option('--pending', 'only where a parameter waits for it')
    .option('--pg-version <version>', 'only where PostgreSQL is older')
    .option('--timeout <time>', 'how long each may take, such as 60 or 5min')
    .option('--scheduled <time>', 'later, such as 2030-05-01T03:00+02:00')
    .option('--cancel', 'withdraw a scheduled one')
    .action((names: string[], options: RestartOptions & VerbOptions) =>
      perform(command => restart(command, names, options), options),
    )
  changing(program.command('reload'), 'reload')
    .argument('[member...]', 'all by default')
    .option('-r, --role <role>', 'only members of this role: leader, standby, any')
    .action((names: string[], options: { role?: string } & VerbOptions) =>
      perform(command => reload(command, names, options), options),
    )
  changing(program.command('reinit'), 'reinitialize')
    .argument('<member...>')
    .option('--from-leader', 'copy from the leader')
    .option('--cancel-running', 'begin again if a copy is being made')
    .option('--wait', 'until the new copy streams')
    .action((names: string[], options: ReinitOptions & VerbOptions) =>
      perform(command => reinit(command, names, options), options),
    )
}

function storeVerbs(program: Commander, perform: Perform): void {
  const store = program.command('store').description('The consensus store of the cluster.')
  changing(store.command('reseed'), 'reseed-store')
    .argument('[cluster]')
    .action((_: string | undefined, options: VerbOptions) => perform(reseed, options))
}

interface EditFlags extends VerbOptions {
  readonly set?: readonly string[]
  readonly pg?: readonly string[]
  readonly apply?: string
  readonly replace?: string
  readonly quiet?: boolean
}

function configVerbs(program: Commander, perform: Perform, around: Surroundings): void {
  const readText = (path: string) => (path === '-' ? around.input() : readFile(path, 'utf8'))
  program
    .command('show-config')
    .description('The dynamic configuration.')
    .argument('[cluster]')
    .action(() => perform(showConfig))
  changing(program.command('edit-config'), null)
    .description('Changes the dynamic configuration: in an editor, or by options.')
    .argument('[cluster]')
    .option('-s, --set <key=value>', 'a key, with dots between levels; empty deletes; repeatable', collect)
    .option('-p, --pg <parameter=value>', 'a parameter of PostgreSQL; repeatable', collect)
    .option('--apply <file>', 'YAML to merge, - for standard input')
    .option('--replace <file>', 'YAML to put in its place, - for standard input')
    .option('-q, --quiet', 'no differences')
    .action((_: string | undefined, options: EditFlags) =>
      perform(command => editConfig(command, { ...options, readFile: readText }), options),
    )
  changing(program.command('pause'), null)
    .description('Maintenance mode: nothing is started, stopped or promoted by itself.')
    .argument('[cluster]')
    .option('--wait', 'until the leader has recorded it')
    .action((_: string | undefined, options: { wait?: boolean } & VerbOptions) =>
      perform(command => setPause(command, true, options), options),
    )
  changing(program.command('resume'), null)
    .description('Ends maintenance mode.')
    .argument('[cluster]')
    .option('--wait', 'until the leader has recorded it')
    .action((_: string | undefined, options: { wait?: boolean } & VerbOptions) =>
      perform(command => setPause(command, false, options), options),
    )
}

/** What everything that changes something has. */
function changing(verb: Commander, operation: OperationName | null): Commander {
  if (operation !== null) verb.description(aboutOf(operation))
  return verb
    .option('-y, --yes', 'ask nothing')
    .addOption(new Option('--force', 'the same as --yes').hideHelp())
    .option('--dry-run', 'check the conditions and say what would happen')
}

/** The first sentence: what follows it is for who speaks REST. */
function aboutOf(operation: OperationName): string {
  return `${operationNamed(operation).about.split('. ')[0]!.replace(/\.$/, '')}.`
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

function positive(value: string): number {
  const number = Number(value)
  if (Number.isFinite(number) && number > 0) return number
  throw new InvalidArgumentError('It is a number greater than 0.')
}

/** What members say is shown as text: an escape sequence in a name or a log line does nothing. */
function printable(around: Surroundings): Surroundings {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  const clean = (text: string) => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '?')
  return { ...around, out: text => around.out(clean(text)), err: text => around.err(clean(text)) }
}
