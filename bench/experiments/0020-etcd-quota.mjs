// Is a transaction that etcd answers with "database space exceeded" ever applied? Runs etcd with a tiny quota and
// sends pairs of large transactions at once, so that some pass the check before the proposal and cross the quota
// when they are applied. Usage: node bench/experiments/0020-etcd-quota.mjs [path of etcd]
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const program = process.argv[2] ?? 'etcd'
const base64 = text => Buffer.from(text).toString('base64')
const totals = { applied: 0, refused: 0, refusedButThere: 0 }
for (let round = 0; round < 5; round++) {
  const directory = await mkdtemp(join(tmpdir(), 'vigil-quota-'))
  const [client, peer] = [`http://127.0.0.1:${41000 + round * 2}`, `http://127.0.0.1:${41001 + round * 2}`]
  const node = spawn(
    program,
    [
      ['--data-dir', directory, '--quota-backend-bytes', String(16 * 1024 * 1024), '--log-level', 'fatal'],
      ['--listen-client-urls', client, '--advertise-client-urls', client],
      ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ['--initial-cluster', `default=${peer}`],
    ].flat(),
    { stdio: 'ignore' },
  )
  const post = async (path, body) => {
    const answer = await fetch(`${client}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) })
    return { status: answer.status, body: await answer.json() }
  }
  for (;;) {
    const up = await post('kv/range', { key: base64('x') }).catch(() => null)
    if (up?.status === 200) break
    await sleep(100)
  }
  const refused = []
  for (let wave = 0; wave < 60 && refused.length < 64; wave++) {
    const keys = Array.from({ length: 32 }, (_, index) => `w${wave}-${index}`)
    const answers = await Promise.all(
      keys.map(key =>
        post('kv/txn', {
          success: [{ request_put: { key: base64(key), value: base64('x'.repeat(200_000)) } }],
        }),
      ),
    )
    answers.forEach((answer, index) => {
      if (answer.status === 200) totals.applied++
      else if (/space exceeded/.test(answer.body.message)) refused.push(keys[index])
    })
  }
  for (const key of refused) {
    totals.refused++
    const found = await post('kv/range', { key: base64(key), count_only: true })
    if (found.body.count) totals.refusedButThere++
  }
  const gone = new Promise(resolve => node.once('exit', resolve))
  node.kill('SIGKILL')
  await gone
  await rm(directory, { recursive: true, force: true })
}
console.log(JSON.stringify(totals))
