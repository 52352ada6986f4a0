// etcd under the contract: three real nodes, each behind a proxy.

import { openEtcd } from '../../src/stores/etcd/etcd.ts'
import { waitFor } from '../lab/wait.ts'
import { startEtcd } from './etcd-nodes.ts'
import { openProxy } from './proxy.ts'
import { storeContract } from './store-contract.ts'

storeContract('etcd', async () => {
  const cluster = await startEtcd({ count: 3 })
  const proxies = await Promise.all(cluster.nodes.map(node => openProxy(node.port)))
  const endpoints = proxies.map(proxy => `http://127.0.0.1:${proxy.port}`)
  let frozen = false
  return {
    connect: () => openEtcd({ endpoints }),
    faults: {
      loseAnswers: async () => {
        for (const proxy of proxies) proxy.loseAnswers()
      },
      refuse: async () => {
        await Promise.all(proxies.map(proxy => proxy.refuse()))
      },
      freeze: async () => {
        frozen = true
        for (const node of cluster.nodes) node.freeze()
      },
      heal: async () => {
        if (frozen) for (const node of cluster.nodes) node.thaw()
        frozen = false
        await Promise.all(proxies.map(proxy => proxy.pass()))
        await cluster.healthy()
      },
      cut: async () => {
        for (const proxy of proxies) proxy.cut()
      },
      restart: async () => {
        for (const node of cluster.nodes) await node.stop()
        for (const node of cluster.nodes) node.start()
        await cluster.healthy()
      },
      moveLeader: async () => {
        const from = await cluster.leader()
        const members = await memberIds(cluster.etcdctl)
        const target = members.find(member => member.name === `n${(from + 1) % 3}`)!
        await cluster.etcdctl(['move-leader', target.id])
        await waitFor('the lead moved', 30_000, async () => (await cluster.leader()) !== from)
      },
    },
    stop: async () => {
      await Promise.all(proxies.map(proxy => proxy.close()))
      await cluster.destroy()
    },
  }
})

async function memberIds(
  etcdctl: (args: readonly string[]) => Promise<string>,
): Promise<readonly { readonly id: string; readonly name: string }[]> {
  const lines = (await etcdctl(['member', 'list'])).trim().split('\n')
  return lines.map(line => line.split(', ')).map(fields => ({ id: fields[0]!, name: fields[2]! }))
}
