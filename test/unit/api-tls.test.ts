// The REST interface over TLS: whose certificates are accepted, and what is refused.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import https from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import tls from 'node:tls'
import type { RestConfig } from '../../src/config/local-config.ts'
import { createWorld, openRest, serve } from './api-world.ts'

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'vigil-api-tls-'))
  authority('ours')
  authority('theirs')
  certificate('server', 'ours', ['-addext', 'subjectAltName=IP:127.0.0.1'])
  certificate('operator', 'ours')
  certificate('stranger', 'theirs')
  certificate('expired', 'ours', [], '-1')
})
after(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string): string {
  return join(folder, name)
}

function text(name: string): string {
  return readFileSync(file(name), 'utf8')
}

async function open(t: TestContext, rest: RestConfig) {
  const world = await createWorld()
  const { server, port } = await serve(world, rest)
  t.after(() => server.close())
  return { world, port }
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', [...args], { stdio: 'pipe' })
}

function authority(name: string): void {
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    file(`${name}.key`),
    '-out',
    file(`${name}.crt`),
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
  )
}

function certificate(name: string, issuer: string, more: readonly string[] = [], days = '2'): void {
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    file(`${name}.key`),
    '-out',
    file(`${name}.csr`),
    '-subj',
    `/CN=${name}`,
    ...more,
  )
  openssl(
    'x509',
    '-req',
    '-in',
    file(`${name}.csr`),
    '-CA',
    file(`${issuer}.crt`),
    '-CAkey',
    file(`${issuer}.key`),
    '-CAcreateserial',
    '-out',
    file(`${name}.crt`),
    '-days',
    days,
    '-copy_extensions',
    'copy',
  )
}

function tlsRest(verifyClient: RestConfig['verifyClient']): RestConfig {
  const files = {
    caFile: file('ours.crt'),
    certificateFile: file('server.crt'),
    keyFile: file('server.key'),
    keyPassword: null,
  }
  return { ...openRest, scheme: 'https', tls: files, verifyClient }
}

/** The status, or null when TLS did not come about. */
function askTls(
  port: number,
  line: string,
  client: string | null,
  more: tls.ConnectionOptions = {},
): Promise<number | null> {
  const [method, path] = line.split(' ') as [string, string]
  const pair = client ? { cert: text(`${client}.crt`), key: text(`${client}.key`) } : {}
  return new Promise(resolve => {
    const request = https.request(
      { host: '127.0.0.1', port, method, path, ca: text('ours.crt'), ...pair, ...more, agent: false },
      response => {
        response.resume()
        response.on('end', () => resolve(response.statusCode ?? 0))
      },
    )
    request.on('error', () => resolve(null))
    request.end()
  })
}

test('verify_client optional: reading needs no certificate, changing needs one of our own', async t => {
  const { world, port } = await open(t, tlsRest('optional'))
  assert.equal(await askTls(port, 'GET /patroni', null), 200)
  for (const client of [null, 'stranger', 'expired'])
    assert.equal(await askTls(port, 'POST /reload', client), 403, String(client))
  assert.equal(world.requests.length, 0)
  assert.equal(await askTls(port, 'POST /reload', 'operator'), 202)
})

test('verify_client required: without a certificate of our own not even reading is possible', async t => {
  const { world, port } = await open(t, tlsRest('required'))
  for (const client of [null, 'stranger', 'expired']) {
    assert.equal(await askTls(port, 'GET /patroni', client), null, String(client))
    assert.equal(await askTls(port, 'POST /reload', client), null, String(client))
  }
  assert.equal(world.requests.length, 0)
  assert.equal(await askTls(port, 'POST /reload', 'operator'), 202)
})

test('TLS 1.1 is refused', async t => {
  const { port } = await open(t, tlsRest('none'))
  const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  assert.equal(await askTls(port, 'GET /patroni', null, old), null)
  assert.equal(await askTls(port, 'GET /patroni', null), 200)
})

test('plain HTTP to the TLS port gets no answer and harms nobody', async t => {
  const { port } = await open(t, tlsRest('none'))
  const heard = await new Promise<string>(resolve => {
    const socket = net.connect(port, '127.0.0.1', () =>
      socket.write('POST /reload HTTP/1.1\r\nhost: x\r\n\r\n'),
    )
    let received = ''
    socket.on('data', chunk => {
      received += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(received))
  })
  assert.doesNotMatch(heard, /^HTTP\/1\.1 2/)
  assert.equal(await askTls(port, 'GET /patroni', null), 200)
})

test('a certificate that was replaced on disk is used after a reload', async t => {
  const world = await createWorld()
  const rest = tlsRest('none')
  const { server, port } = await serve(world, rest)
  t.after(() => server.close())
  certificate('next', 'ours', ['-addext', 'subjectAltName=IP:127.0.0.1'])
  await server.reload({
    ...rest,
    tls: { ...rest.tls, certificateFile: file('next.crt'), keyFile: file('next.key') },
  })
  const subject = await new Promise<string>((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, ca: text('ours.crt') }, () => {
      const { CN } = socket.getPeerCertificate().subject
      resolve(String(CN))
      socket.end()
    })
    socket.on('error', reject)
  })
  assert.equal(subject, 'next')
})
