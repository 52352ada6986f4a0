// A task that a disk keeps in the kernel (state D) and that cgroup.kill has hit: what the kernel says of it, and whether
// it runs any code of its own once the disk goes on. And what the two clocks do in this machine.
// usage (root): 0055-kill-in-the-kernel.mjs [rounds]; freezes a file system of its own for a second a round.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const rounds = Number(process.argv[2] ?? 10)
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const mount = readFileSync('/proc/self/mountinfo', 'utf8')
  .split('\n')
  .find(line => line.includes(' - cgroup2 '))
  .split(' ')[4]
const group = join(mount, `vigil-exp-${process.pid}`)
const directory = mkdtempSync(join(tmpdir(), 'vigil-exp-'))
const place = join(directory, 'disk')
const marker = join(directory, 'marker')

const field = (pid, name) =>
  new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
const stateOf = pid =>
  existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1][0] : '-'
const has9 = mask => ((BigInt(`0x${mask}`) >> 8n) & 1n) === 1n
// Writes again and again; each write that returned leaves a byte where no disk is frozen.
const WRITER = `open(F, ">>", shift); open(M, ">>", shift); $SIG{TERM} = "IGNORE";
while (1) { syswrite(F, "x" x 8192); syswrite(M, "."); }`

async function round(way) {
  rmSync(marker, { force: true })
  const child = spawn('perl', ['-e', WRITER, join(place, 'file'), marker], { stdio: 'ignore' })
  const ended = new Promise(resolve => child.once('exit', () => resolve(performance.now())))
  writeFileSync(join(group, 'cgroup.procs'), `${child.pid}`)
  await sleep(100)
  execFileSync('fsfreeze', ['--freeze', place])
  try {
    await sleep(150)
    const before = readFileSync(marker).length
    const stateBefore = stateOf(child.pid)
    const killedAt = performance.now()
    if (way === 'cgroup.kill') writeFileSync(join(group, 'cgroup.kill'), '1')
    else process.kill(child.pid, 'SIGKILL')
    const took = performance.now() - killedAt
    const at = { state: stateOf(child.pid), pending: false, populated: '' }
    if (at.state !== '-' && at.state !== 'Z')
      at.pending = has9(field(child.pid, 'SigPnd')) || has9(field(child.pid, 'ShdPnd'))
    await sleep(600)
    at.populated = /populated (.)/.exec(readFileSync(join(group, 'cgroup.events'), 'utf8'))[1]
    at.later = stateOf(child.pid)
    execFileSync('fsfreeze', ['--unfreeze', place])
    const thawedAt = performance.now()
    const gone = (await ended) - thawedAt
    const after = readFileSync(marker).length
    return {
      way,
      stateBefore,
      ...at,
      tookMs: took.toFixed(2),
      goneAfterThawMs: gone.toFixed(1),
      wentOn: after - before,
    }
  } finally {
    try {
      execFileSync('fsfreeze', ['--unfreeze', place], { stdio: 'ignore' })
    } catch {
      // Thawed already.
    }
    child.kill('SIGKILL')
  }
}

mkdirSync(place)
mkdirSync(group)
try {
  execFileSync('truncate', ['-s', '64M', `${place}.image`])
  execFileSync('mkfs.ext4', ['-q', `${place}.image`])
  execFileSync('mount', ['-o', 'loop', `${place}.image`, place])
  for (const way of ['cgroup.kill', 'kill'])
    for (let i = 0; i < rounds; i++) console.log(JSON.stringify(await round(way)))
} finally {
  await sleep(100)
  execFileSync('umount', [place])
  rmdirSync(group)
  rmSync(directory, { recursive: true })
}

const boot = () => Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000
const mono = () => Number(process.hrtime.bigint()) / 1e6
const start = { mono: mono(), boot: boot() }
await sleep(10_000)
const passed = { mono: mono() - start.mono, boot: boot() - start.boot }
console.log(
  `over 10 s: monotonic ${passed.mono.toFixed(0)} ms, since boot ${passed.boot.toFixed(0)} ms (steps of 10)`,
)
console.log(
  `clock source: ${readFileSync('/sys/devices/system/clocksource/clocksource0/current_clocksource', 'utf8').trim()}`,
)
process.exit(0)
