// Copies of the data: the only one is never given up (I7), a torn one is never promoted (I8).

import type { CheckContext } from './check-context.ts'
import type { Directory } from './data-directory.ts'
import { commonPart, contains, describeCopy, recordsBeyond } from './wal.ts'
import type { Host, Observer } from './world.ts'

type Checks = Pick<Observer, 'directoryRemoved' | 'rewound' | 'copyReplaced'>

export function checkCopies(context: CheckContext): Checks {
  const { hosts, log, report } = context

  const others = (given: Directory) =>
    hosts
      .flatMap(other => [other.postgres.directory, ...other.postgres.replaced])
      .filter(directory => directory !== null && directory !== given && !directory.torn)
      .map(directory => directory!.copy)
  const check = (host: Host, directory: Directory, what: string) => {
    if (directory.torn && what !== 'rewinds') return
    const { copy } = directory
    const acknowledged = recordsBeyond(copy, null).filter(record => record.acknowledgedAt !== null)
    if (acknowledged.length === 0) return
    // A copy that went another way was accepted instead of this one: what this one has more was lost before.
    const elsewhere = others(directory).some(other => {
      if (contains(other, copy)) return true
      const common = commonPart(other, copy)
      const theirs = common ? recordsBeyond(other, common) : []
      const mine = common
        ? recordsBeyond(copy, common).filter(record => record.acknowledgedAt !== null)
        : acknowledged
      return common !== null && (theirs.length > 0 || mine.length === 0)
    })
    if (!elsewhere) report('I7', `${host.name} ${what} the only copy of ${describeCopy(copy)}`)
  }
  return {
    directoryRemoved: (host, directory) => {
      log.line(host.name, `removes a directory at ${describeCopy(directory.copy)}`)
      check(host, directory, 'removes')
    },
    rewound: (host, directory) => {
      log.line(host.name, `rewinds from ${describeCopy(directory.copy)}`)
      check(host, directory, 'rewinds')
    },
    copyReplaced: host =>
      log.line(host.name, `has a new copy at ${describeCopy(host.postgres.directory!.copy)}`),
  }
}
