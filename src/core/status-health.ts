// What an operator should know about disks, damaged blocks and replay.
import { type DiskPlace, diskSilent, placeFailure } from './health.ts'
import type { Situation } from './situation.ts'
import type { LocalStatus } from './status-local.ts'
import type { Warning } from './status-model.ts'

/** Relative for small file systems, absolute for big ones: a tenth of many terabytes is no shortage. */
const LOW = { share: 0.1, bytes: 10 * 2 ** 30 }
const VERY_LOW = { share: 0.02, bytes: 2 * 2 ** 30 }
/** Four segments of WAL: the next burst of writes ends PostgreSQL. */
const FEW_BYTES = 64 * 2 ** 20

export function healthWarnings({ view, now }: Situation, local: LocalStatus): readonly Warning[] {
  const { health, notKept } = view
  const state = placeFailure(health, ['state'])
  const files = placeFailure(health, ['data', 'wal']) ?? diskSilent(health, now)
  const warnings: Warning[] = []
  if (local.role === 'primary' && local.cannotWrite !== null)
    warnings.push(
      alarm('cannot-write', `this primary can't write and nobody has taken over: ${local.cannotWrite}`),
    )
  if (files !== null) warnings.push(alarm('disk-failing', `PostgreSQL's files can't be written: ${files}`))
  if (state !== null || notKept !== null)
    warnings.push(
      alarm(
        'state-disk',
        `the state directory can't be written (${notKept ?? state}): this member takes part in no change of leadership`,
      ),
    )
  const said = files !== null || state !== null || notKept !== null
  if (!said && local.trouble !== null && local.role === 'standby')
    warnings.push(notice('not-fit', `this member is not promoted: ${local.trouble}`))
  warnings.push(...health.places.flatMap(spaceWarning), ...dataWarnings(local))
  return warnings
}

function spaceWarning({ holds, freeBytes, totalBytes, failure }: DiskPlace): readonly Warning[] {
  const free = `${megabytes(freeBytes)} of ${megabytes(totalBytes)} are free where these lie: ${holds.join(', ')}`
  const below = ({ share, bytes }: typeof LOW) => freeBytes < totalBytes * share && freeBytes < bytes
  if (failure !== null) return []
  if (below(VERY_LOW) || freeBytes < FEW_BYTES) return [alarm('disk-almost-full', free)]
  return below(LOW) ? [notice('disk-low', free)] : []
}

function dataWarnings({ instance }: LocalStatus): readonly Warning[] {
  if (!instance || instance.kind === 'starting') return []
  const { checksumFailures } = instance
  return checksumFailures > 0
    ? [
        alarm(
          'checksum-failures',
          `${checksumFailures} blocks with a wrong checksum were read: the copy or its disk is damaged`,
        ),
      ]
    : []
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`
}

function alarm(code: string, text: string): Warning {
  return { code, text, severity: 'alarm' }
}

function notice(code: string, text: string): Warning {
  return { code, text, severity: 'notice' }
}
