// What a renewal of the port's gate costs, as a new nft for each and as one nft that takes a line each; when the port is
// shut after the last renewal; whether what waited in a socket is sent once the port opens again.
// usage (root): 0054-port-gate.mjs [renewals]; works in a network namespace of its own.
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'

const inside = process.argv[2] === 'inside'
const renewals = Number(process.argv[inside ? 3 : 2] ?? 300)
if (!inside) {
  const name = `vigil-exp-${process.pid}`
  execFileSync('ip', ['netns', 'add', name])
  try {
    execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    const again = ['netns', 'exec', name, process.execPath, process.argv[1], 'inside', `${renewals}`]
    execFileSync('ip', again, { stdio: 'inherit' })
  } finally {
    execFileSync('ip', ['netns', 'delete', name])
  }
  process.exit(0)
}

const PORT = 5999
const table = 'inet gate'
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const nft = text => execFileSync('nft', ['-f', '-'], { input: text })
const renewal = ms => `flush set ${table} open; add element ${table} open { ${PORT} timeout ${ms}ms }`
const setUp = verdict =>
  nft(`add table ${table}
delete table ${table}
table ${table} {
 set open { type inet_service; flags timeout; }
 chain input { type filter hook input priority -10; policy accept; tcp dport ${PORT} tcp dport != @open tcp flags & rst == 0 ${verdict}; }
 chain output { type filter hook output priority -10; policy accept; tcp sport ${PORT} tcp sport != @open tcp flags & rst == 0 ${verdict}; }
}`)
const figures = list => {
  const sorted = [...list].sort((a, b) => a - b)
  return `${sorted[0].toFixed(2)} / ${sorted[sorted.length >> 1].toFixed(2)} / ${sorted.at(-1).toFixed(2)}`
}
const processorMs = pid => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
const childrenMs = () => {
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ')[1].split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10
}

setUp('reject with tcp reset')
console.log(`renewals: ${renewals}; times in ms, min / median / max`)
{
  const [times, before] = [[], childrenMs()]
  for (let i = 0; i < renewals; i++) {
    const started = performance.now()
    nft(renewal(5000 + i))
    times.push(performance.now() - started)
  }
  console.log(
    `a new nft each: ${figures(times)}; processor ${((childrenMs() - before) / renewals).toFixed(2)} each`,
  )
}
{
  const child = spawn('nft', ['-e', '-i'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, HOME: '/dev/null' },
  })
  let [said, answered] = ['', () => {}]
  child.stdout.on('data', data => {
    said += data
    if (!said.endsWith('\n')) return
    said = ''
    answered()
  })
  await sleep(300)
  const memory = () => /Pss: +(\d+)/.exec(readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8'))[1]
  const [times, before, memoryBefore] = [[], processorMs(child.pid), memory()]
  for (let i = 0; i < renewals; i++) {
    const started = performance.now()
    const through = new Promise(resolve => {
      answered = resolve
    })
    child.stdin.write(`${renewal(5000 + i)}\n`)
    await through
    times.push(performance.now() - started)
  }
  console.log(
    `one nft, a line each: ${figures(times)}; processor ${((processorMs(child.pid) - before) / renewals).toFixed(3)} each; memory ${memoryBefore} -> ${memory()} kB`,
  )
  child.stdin.end()
}

const pair = async () => {
  const server = createServer().listen(PORT, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const accepted = new Promise(resolve => server.once('connection', resolve))
  const client = createConnection(PORT, '127.0.0.1')
  const end = await accepted
  for (const socket of [client, end]) socket.on('error', () => {})
  return { server, client, end }
}
{
  const shut = []
  for (let round = 0; round < 5; round++) {
    nft(renewal(5000))
    const { server, client, end } = await pair()
    let last = 0
    client.on('data', () => {
      last = performance.now()
    })
    const beat = setInterval(() => end.write('x'), 2)
    nft(renewal(800))
    const renewed = performance.now()
    await sleep(1200)
    clearInterval(beat)
    shut.push(last - renewed)
    client.destroy()
    end.destroy()
    server.close()
  }
  console.log(`last byte read after a renewal for 800: ${figures(shut)}`)
}
for (const verdict of ['drop', 'reject with tcp reset']) {
  setUp(verdict)
  nft(renewal(5000))
  const { server, client, end } = await pair()
  let received = ''
  client.on('data', data => {
    received += data
  })
  end.write('before ')
  await sleep(100)
  nft(`flush set ${table} open`)
  end.write('acknowledged while it was shut')
  await sleep(300)
  // The server is killed: its socket is nobody's any more, and the kernel goes on trying.
  end.destroySoon()
  await sleep(300)
  nft(renewal(20_000))
  await sleep(4000)
  console.log(`${verdict}: after the port has opened again the client has read "${received}"`)
  client.destroy()
  server.close()
}
process.exit(0)
