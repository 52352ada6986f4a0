// A long-lived nft that takes one transaction a line: a second's renewal costs a tenth of a millisecond, a new process
// fifty times that (docs/decisions/0054).
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import type { User } from './accounts.ts'

const NFT = ['/usr/sbin/nft', '/sbin/nft', '/usr/local/sbin/nft', '/usr/bin/nft']
const CAP_NET_ADMIN = 12n
/** nft keeps every line it has read: about 350 bytes each. */
const TRANSACTIONS_A_PROCESS = 1000
const ANSWER_LIMIT_MS = 1000
/** A machine may be busy for a moment; a helper that was stopped stays silent. */
const SILENCES_MAX = 2
/** One mistake may be several lines. */
const COMPLAINT_MS = 20
/** `quit` ends nft, and the shell waits for the next word. Both end with the agent, by the end of their input. */
const LOOP = `while read -r word port; do
  case "$word" in
    nft) "$0" -e -i ;;
    cut) ss --tcp --kill --no-header state connected "sport = :$port" > /dev/null 2>&1; echo "add element" ;;
  esac
done`

export interface NftShell {
  run(transaction: string): Promise<string | null>
  cutConnections(port: number): Promise<void>
  /** Nothing can be run any more by this agent. */
  lost(): boolean
  close(): void
}

interface Helper {
  readonly process: ChildProcess
  /** Transactions that its nft has run; 0: it has none yet. */
  used: number
  /** Answers in a row that did not come in time. */
  silences: number
}

/**
 * `user`: whom root is about to become. The shell is that user's, with the one right that it needs, and nothing else of
 * this process has it. @returns why there can be none, as text
 */
export function openNftShell(user: User | null): NftShell | string {
  const nft = NFT.find(executable)
  if (nft === undefined) return 'nft (package nftables) is not installed'
  if (user === null && !mayAdministrateNetwork()) return 'no right to change rules (CAP_NET_ADMIN)'
  const command = [...asUser(user), '/bin/sh', '-c', LOOP, nft]
  let settle: ((complaint: string | null) => void) | null = null
  let helper = open()
  // A right that root gave away can't be given again: whoever kills one helper has not yet taken it from us.
  const spares = user === null ? [] : [open()]

  function open(): Helper {
    const opened: Helper = { process: launch(command), used: 0, silences: 0 }
    watch(opened)
    return opened
  }

  function watch(from: Helper): void {
    const { process } = from
    const settleOwn = (complaint: string | null) => {
      if (from === helper) finish(complaint)
    }
    let [said, complained] = ['', '']
    process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (said + text).split('\n')
      said = lines.pop()!
      if (lines.some(line => line.startsWith('add element'))) settleOwn(null)
    })
    process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (complained === '')
        setTimeout(() => {
          settleOwn(sentence(complained))
          complained = ''
        }, COMPLAINT_MS)
      complained += text
    })
    process.on('error', error => settleOwn(error.message))
    process.on('exit', () => {
      // Its nft outlives the shell, and would still do what is in the pipe.
      kill(from)
      settleOwn('nft has ended')
    })
    // Its end is told by the exit; a line that it did not read is no failure of ours.
    process.stdin?.on('error', () => {})
  }

  function finish(complaint: string | null): void {
    settle?.(complaint)
    settle = null
  }

  /** False: there is none, and no right to start one. */
  function ready(): boolean {
    const replaceable = user === null || spares.length > 0
    const silent = helper.silences >= SILENCES_MAX && replaceable
    if (silent) kill(helper)
    if (!silent && lives(helper)) return true
    if (!replaceable) return false
    helper = spares.pop() ?? open()
    return lives(helper) || ready()
  }

  function say(lines: string): Promise<string | null> {
    const { process } = helper
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        // If nft has died, the shell waits for the next word. If not, nft refuses that word and takes what follows.
        helper.used = 0
        helper.silences++
        finish('nft does not answer')
      }, ANSWER_LIMIT_MS)
      settle = complaint => {
        clearTimeout(timer)
        if (complaint === null) helper.silences = 0
        resolve(complaint)
      }
      process.stdin?.write(lines)
    })
  }

  async function run(transaction: string): Promise<string | null> {
    if (!ready()) return GONE
    const { used } = helper
    const word = used === 0 ? 'nft\n' : used % TRANSACTIONS_A_PROCESS === 0 ? 'quit\nnft\n' : ''
    helper.used++
    return say(`${word}${transaction}\n`)
  }

  return {
    run,
    lost: () => user !== null && spares.length === 0 && !lives(helper),
    async cutConnections(port) {
      if (!ready()) return
      const word = helper.used === 0 ? '' : 'quit\n'
      helper.used = 0
      await say(`${word}cut ${port}\n`)
    },
    close() {
      for (const { process } of [helper, ...spares]) process.stdin?.end()
    },
  }
}

const GONE = 'the helpers with the right to change rules have ended; a restart of the agent brings them back'

/** With whatever it has started. */
function kill(helper: Helper): void {
  const { pid } = helper.process
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // Nothing is left of it.
  }
}

function lives({ process: child }: Helper): boolean {
  return child.exitCode === null && child.signalCode === null
}

function launch([program, ...rest]: readonly string[]): ChildProcess {
  return spawn(program!, rest, {
    cwd: '/',
    // nft writes what it was told into a file below HOME.
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/dev/null', LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'pipe'],
    // A group of its own: killed together.
    detached: true,
  })
}

function asUser(user: User | null): readonly string[] {
  if (user === null) return []
  const identity = ['--reuid', `${user.uid}`, '--regid', `${user.gid}`, '--init-groups']
  const right = ['--inh-caps=-all,+net_admin', '--ambient-caps=-all,+net_admin', '--no-new-privs']
  return ['setpriv', ...identity, ...right, '--']
}

/** A child has it only if it is ambient, or if this is root. */
function mayAdministrateNetwork(): boolean {
  const status = readFileSync('/proc/self/status', 'latin1')
  const has = (name: string) => {
    const mask = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1]
    return mask !== undefined && ((BigInt(`0x${mask}`) >> CAP_NET_ADMIN) & 1n) === 1n
  }
  return has('CapAmb') || (process.geteuid?.() === 0 && has('CapEff'))
}

/** The first line says what is wrong, the others show where. */
function sentence(complaint: string): string {
  const first = complaint.split('\n').find(line => line.trim() !== '') ?? 'nft complained'
  return first.replace(/^.*?Error: /, '').trim()
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
