// The laboratory's network does what its names say, and leaves nothing behind, however a run ends.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { Host } from '../host.ts'
import { namespacesWork } from '../namespaces.ts'
import { type Network, openNetwork } from '../network.ts'
import { isAlive } from '../processes.ts'
import { waitFor } from '../wait.ts'

const needsRoot = namespacesWork() ? false : 'needs root, for network namespaces'
const PORT = 7000
/** Longer than any answer on this machine takes, shorter than TCP's own patience. */
const SILENCE_MS = 700

/** Answers every connection with its host's name. */
const SERVER = `require('node:net').createServer(s => { s.on('error', () => {}); s.end(process.argv[1]) }).listen(${PORT}, '0.0.0.0')`
const CLIENT = `
  const socket = require('node:net').connect(${PORT}, process.argv[1])
  const end = text => { console.log(text); process.exit() }
  socket.setTimeout(${SILENCE_MS}, () => end('silence'))
  socket.on('data', data => end('answer of ' + data)).on('error', error => end(error.code))`

test('hosts reach each other, and cables and cuts do what they say', { skip: needsRoot }, async () => {
  const network = openNetwork(['amber', 'birch', 'cedar'], 'namespaces')
  try {
    const [amber, birch, cedar] = await serving(network)
    assert.equal(ask(amber, birch), 'answer of birch')
    assert.equal(ask(network.client, cedar), 'answer of cedar')

    network.partition([amber], [birch, cedar])
    assert.equal(ask(amber, birch), 'silence')
    assert.equal(ask(birch, amber), 'silence')
    assert.equal(ask(birch, cedar), 'answer of cedar')
    assert.equal(ask(network.client, amber), 'answer of amber')

    network.heal()
    assert.equal(ask(amber, birch), 'answer of birch')
    assert.equal(ask(cedar, amber), 'answer of amber')

    network.unplug(birch)
    assert.notEqual(ask(amber, birch), 'answer of birch')
    assert.notEqual(ask(birch, amber), 'answer of amber')
    network.plug(birch)
    await waitFor('the cable carries again', 10_000, () => ask(amber, birch) === 'answer of birch')
  } finally {
    network.close()
  }
})

test('a cut in one direction lets nothing of that direction through', { skip: needsRoot }, async () => {
  const network = openNetwork(['amber', 'birch'], 'namespaces')
  try {
    const [amber, birch] = await serving(network)
    network.cut([amber], [birch])
    // Neither can talk: one's questions are dropped, the other's answers.
    assert.equal(ask(amber, birch), 'silence')
    assert.equal(ask(birch, amber), 'silence')
    assert.equal(ask(network.client, birch), 'answer of birch')
  } finally {
    network.close()
  }
})

test('a lost host has no process left, and the others keep theirs', { skip: needsRoot }, async () => {
  const network = openNetwork(['amber', 'birch'], 'namespaces')
  try {
    const [amber, birch] = await serving(network)
    // A process that left its parent and its session is still on the host.
    amber.launch('stray', ['setsid', '--fork', 'sleep', '1000'])
    await waitFor('the stray process runs', 10_000, () => amber.processes().length === 2)
    network.lose(amber)
    assert.deepEqual(amber.processes(), [])
    assert.equal(birch.processes().length, 1)
  } finally {
    network.close()
  }
})

for (const kind of ['namespaces', 'loopback'] as const) {
  const skip = kind === 'namespaces' ? needsRoot : false
  test(`a closed laboratory leaves no process, directory or namespace (${kind})`, { skip }, async () => {
    const network = openNetwork(['amber'], kind)
    const sleeper = network.hosts[0]!.launch('sleeper', ['sleep', '1000'])
    const mine = () => namespaces().filter(name => name.includes(`-${process.pid}`))
    assert.equal(mine().length, kind === 'namespaces' ? 3 : 0)
    network.close()
    assert.equal(isAlive(sleeper.pid), false)
    assert.equal(existsSync(network.directory), false)
    assert.deepEqual(mine(), [])
  })

  test(`a laboratory whose owner was killed is removed by the next one (${kind})`, { skip }, async () => {
    const source = `
      import { openNetwork } from ${JSON.stringify(new URL('../network.ts', import.meta.url).href)}
      const network = openNetwork(['amber'], '${kind}')
      const { pid } = network.hosts[0].launch('sleeper', ['sleep', '1000'])
      console.log(JSON.stringify({ pid, directory: network.directory }))`
    const owner = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const left = await new Promise<{ pid: number; directory: string }>(resolve => {
      createInterface({ input: owner.stdout }).once('line', line => resolve(JSON.parse(line)))
    })
    const gone = new Promise(resolve => owner.once('exit', resolve))
    owner.kill('SIGKILL')
    await gone
    assert.equal(isAlive(left.pid), true)
    openNetwork(['birch'], kind).close()
    assert.equal(isAlive(left.pid), false)
    assert.equal(existsSync(left.directory), false)
    assert.deepEqual(
      namespaces().filter(name => name.includes(`-${owner.pid}-`)),
      [],
    )
  })
}

test('hosts on one address have ports of their own', () => {
  const network = openNetwork(['amber', 'birch', 'cedar'], 'loopback')
  try {
    const ports = network.hosts.flatMap(host =>
      (['postgres', 'rest', 'etcd', 'etcdPeer'] as const).map(host.port),
    )
    assert.equal(new Set(ports).size, 12)
  } finally {
    network.close()
  }
})

async function serving(network: Network): Promise<[Host, Host, Host]> {
  for (const host of network.hosts) host.launch('server', [process.execPath, '-e', SERVER, host.name])
  for (const host of network.hosts) {
    await waitFor(
      `${host.name} answers`,
      15_000,
      () => ask(network.client, host) === `answer of ${host.name}`,
    )
  }
  return network.hosts as unknown as [Host, Host, Host]
}

/** What a connection from one host to another brings. */
function ask(from: Host, to: Host): string {
  const { namespace } = from as Host & { namespace: string }
  const args = ['netns', 'exec', namespace, process.execPath, '-e', CLIENT, to.address]
  return spawnSync('ip', args, { encoding: 'utf8' }).stdout.trim()
}

function namespaces(): readonly string[] {
  return existsSync('/run/netns')
    ? readdirSync('/run/netns').filter(name => name.startsWith('vigil-lab-'))
    : []
}
