// Cuts that overlap: a link carries again when nobody wants it cut any more.
import type { Host } from '../../test/lab/host.ts'
import type { Network } from '../../test/lab/network.ts'

export interface Link {
  readonly from: Host
  readonly to: Host
}

export interface Links {
  cut(links: readonly Link[]): void
  /** Only what was cut before, once for each cut. */
  mend(links: readonly Link[]): void
  mendAll(): void
}

export function linksOf(network: Network): Links {
  const wanted = new Map<string, { readonly link: Link; count: number }>()
  const name = ({ from, to }: Link) => `${from.name} ${to.name}`
  return {
    cut: links => {
      for (const link of links) {
        const known = wanted.get(name(link))
        if (known) known.count += 1
        else wanted.set(name(link), { link, count: 1 })
        if (!known) network.cut([link.from], [link.to])
      }
    },
    mend: links => {
      for (const link of links) {
        const known = wanted.get(name(link))
        if (!known) continue
        known.count -= 1
        if (known.count > 0) continue
        wanted.delete(name(link))
        network.mend([link.from], [link.to])
      }
    },
    mendAll: () => {
      wanted.clear()
      network.heal()
    },
  }
}

/** Everything between two groups of hosts, in both directions. */
export function between(some: readonly Host[], others: readonly Host[]): readonly Link[] {
  return [...oneWay(some, others), ...oneWay(others, some)]
}

export function oneWay(from: readonly Host[], to: readonly Host[]): readonly Link[] {
  return from.flatMap(sender =>
    to.filter(each => each !== sender).map(receiver => ({ from: sender, to: receiver })),
  )
}
