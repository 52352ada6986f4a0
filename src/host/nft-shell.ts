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
  close(): void
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
  let child = launch(command)
  let used = 0
  let settle: ((complaint: string | null) => void) | null = null
  watch(child)

  function watch(process: ChildProcess): void {
    let [said, complained] = ['', '']
    process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (said + text).split('\n')
      said = lines.pop()!
      if (lines.some(line => line.startsWith('add element'))) finish(null)
    })
    process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (complained === '')
        setTimeout(() => {
          finish(sentence(complained))
          complained = ''
        }, COMPLAINT_MS)
      complained += text
    })
    process.on('error', error => finish(error.message))
    process.on('exit', () => finish('nft has ended'))
    // Its end is told by the exit; a line that it did not read is no failure of ours.
    process.stdin?.on('error', () => {})
  }

  function finish(complaint: string | null): void {
    settle?.(complaint)
    settle = null
  }

  /** False: the right that root gave away can't be given again. */
  function ready(): boolean {
    if (child.exitCode === null && child.signalCode === null) return true
    if (user !== null) return false
    child = launch(command)
    watch(child)
    used = 0
    return true
  }

  function say(lines: string): Promise<string | null> {
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        // If nft has died, the shell waits for the next word. If not, nft refuses that word and takes what follows.
        used = 0
        finish('nft does not answer')
      }, ANSWER_LIMIT_MS)
      settle = complaint => {
        clearTimeout(timer)
        resolve(complaint)
      }
      child.stdin?.write(lines)
    })
  }

  return {
    async run(transaction) {
      if (!ready()) return 'nft has ended; it starts again with the agent'
      const word = used === 0 ? 'nft\n' : used % TRANSACTIONS_A_PROCESS === 0 ? 'quit\nnft\n' : ''
      used++
      return say(`${word}${transaction}\n`)
    },
    async cutConnections(port) {
      if (!ready()) return
      const word = used === 0 ? '' : 'quit\n'
      used = 0
      await say(`${word}cut ${port}\n`)
    },
    close: () => void child.stdin?.end(),
  }
}

function launch([program, ...rest]: readonly string[]): ChildProcess {
  return spawn(program!, rest, {
    cwd: '/',
    // nft writes what it was told into a file below HOME.
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/dev/null', LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'pipe'],
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
