// A watch on servers that send pieces, end, or never begin.
import assert from 'node:assert/strict'
import type http from 'node:http'
import { test } from 'node:test'
import { waitFor } from '../lab/wait.ts'
import { type Handler, header, refusing, serving, silent, WAIT_MS } from './stores-fake-etcd.ts'

test('a watch understands lines in pieces and several in one, and asks for no old revision', async () => {
  const created = JSON.stringify({ result: { header, created: true } })
  const event = JSON.stringify({
    result: { header: { ...header, revision: '6' }, events: [{ kv: { key: 'ü' } }] },
  })
  const bodies: string[] = []
  let pieces: http.ServerResponse | null = null
  const handler: Handler = (_path, body, response) => {
    bodies.push(body)
    pieces = response
    response.writeHead(200).write(`${created}\n`)
  }
  await serving([handler], async kv => {
    let woken = 0
    kv.watch('/p/', () => woken++)
    await waitFor('the watch is established', WAIT_MS, () => woken === 1)
    const bytes = Buffer.from(`${event}\n${event}\n`)
    pieces!.write(bytes.subarray(0, 40))
    pieces!.write(bytes.subarray(40, event.length + 10))
    pieces!.write(bytes.subarray(event.length + 10))
    await waitFor('both events were seen', WAIT_MS, () => woken === 3)
    assert.deepEqual(JSON.parse(bodies[0]!), { create_request: { key: 'L3Av', range_end: 'L3Aw' } })
  })
})

const endings: readonly (readonly [string, (response: http.ServerResponse) => void])[] = [
  [
    'is cancelled by a compaction',
    response =>
      response.write(`${JSON.stringify({ result: { header, canceled: true, compact_revision: '9' } })}\n`),
  ],
  [
    'loses its leader',
    response =>
      response.write(
        `${JSON.stringify({ error: { grpc_code: 14, http_code: 503, message: 'etcdserver: no leader' } })}\n`,
      ),
  ],
  ['ends', response => response.end()],
  ['is cut', response => response.destroy()],
  ['becomes nonsense', response => response.write('}{\n')],
]

for (const [what, end] of endings) {
  test(`a watch that ${what} opens itself again and wakes, for something may have been missed`, async () => {
    const streams: http.ServerResponse[] = []
    const handler: Handler = (_path, _body, response) => {
      streams.push(response)
      response.writeHead(200).write(`${JSON.stringify({ result: { header, created: true } })}\n`)
    }
    await serving([handler], async kv => {
      let woken = 0
      kv.watch('/p/', () => woken++)
      await waitFor('it is established', WAIT_MS, () => woken === 1)
      end(streams[0]!)
      await waitFor('it is established a second time', WAIT_MS, () => woken === 2)
      assert.equal(streams.length, 2)
    })
  })
}

test('a watch leaves an endpoint that does not establish it', async () => {
  for (const handler of [silent, refusing(14, 'etcdserver: no leader')]) {
    const second: Handler = (_path, _body, response) => {
      response.writeHead(200).write(`${JSON.stringify({ result: { header, created: true } })}\n`)
    }
    await serving([handler, second], async kv => {
      let woken = 0
      kv.watch('/p/', () => woken++)
      await waitFor('the second endpoint established it', WAIT_MS, () => woken > 0)
    })
  }
})
