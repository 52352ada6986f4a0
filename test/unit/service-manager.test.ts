// What a service manager hears: by a descriptor that it passed, and by its own program for that.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after as afterAll, before, test } from 'node:test'
import { openServiceManager } from '../../src/host/service-manager.ts'
import { waitFor } from '../lab/wait.ts'

/** Perl belongs to every Debian, and speaks what Node does not. `@` in front: an abstract socket. */
const RECEIVER = `use Socket; $| = 1; my $p = shift; (my $n = $p) =~ s/^@/\\0/;
socket(S, AF_UNIX, SOCK_DGRAM, 0) or die; bind(S, pack_sockaddr_un($n)) or die "bind $!"; print "bound\\n";
while (defined recv(S, my $m, 4096, 0)) { $m =~ s/\\n/ /g; print "$m\\n" }`
/** Connects descriptor 3 to the socket, as OpenFile= does, and becomes the program. */
const CONNECTED = `use Socket; use POSIX (); $^F = 9; my $p = shift; socket(S, AF_UNIX, SOCK_DGRAM, 0) or die;
connect(S, pack_sockaddr_un($p)) or die "connect $!"; POSIX::dup2(fileno(S), 3) or die; $ENV{LISTEN_PID} = $$; exec @ARGV`

let directory: string
const children: ChildProcess[] = []
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'vigil-notify-'))
})
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(directory, { recursive: true })
})

async function receive(path: string): Promise<readonly string[]> {
  const child = spawn('perl', ['-e', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', line => lines.push(line))
  await waitFor('the receiver listens', 20_000, () => lines.includes('bound'))
  return lines
}

for (const path of ['notify.sock', '@vigil-notify-test'] as const) {
  test(`its own program tells it, by a socket named ${path}`, async () => {
    const socket = path.startsWith('@') ? `${path}-${process.pid}` : join(directory, path)
    const lines = await receive(socket)
    const manager = openServiceManager({ NOTIFY_SOCKET: socket }, process.pid)
    assert.ok(manager, 'this test needs systemd-notify (Debian: package systemd)')
    manager.tell('READY=1', 'STATUS=primary of term 4')
    await waitFor('it is heard', 20_000, () =>
      lines.some(line => /READY=1.*STATUS=primary of term 4/.test(line)),
    )
  })
}

test('a descriptor that it connected needs no program', async () => {
  const socket = join(directory, 'passed.sock')
  const lines = await receive(socket)
  const module = new URL('../../src/host/service-manager.ts', import.meta.url).href
  const script = `import { openServiceManager } from ${JSON.stringify(module)}
    const manager = openServiceManager(process.env, process.pid)
    manager.tell('WATCHDOG=1', 'STATUS=' + manager.aliveEveryMs)`
  const program = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script]
  const child = spawn('perl', ['-e', CONNECTED, socket, ...program], {
    stdio: 'inherit',
    env: { ...process.env, LISTEN_FDNAMES: 'notify', WATCHDOG_USEC: '9000000' },
  })
  children.push(child)
  await waitFor('it is heard', 30_000, () => lines.includes('WATCHDOG=1 STATUS=3000'))
})

test('nobody listens: nothing is told and nothing is started', () => {
  assert.equal(openServiceManager({}, process.pid), null)
  const foreign = { NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '9000000', WATCHDOG_PID: '1' }
  assert.equal(openServiceManager(foreign, process.pid)?.aliveEveryMs ?? null, null)
})
