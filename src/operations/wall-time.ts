// Times that operators write: a date, a time and a zone, in the forms that Patroni's users know.

export type AskedTime =
  | { readonly kind: 'at'; readonly iso: string; readonly epochMs: number }
  | { readonly kind: 'refused'; readonly status: 400 | 422; readonly reason: string }

/** `2030-05-01T10:00+02:00`, a blank instead of the T, `+02`, `+0200` or `Z`. Without a zone it would mean something else on each member. */
export function askedTime(text: string, now: Date): AskedTime {
  const match =
    /^(\d{4}-\d{2}-\d{2})[T ](\d{1,2}:\d{2})(:\d{2}(?:\.\d{1,6})?)?\s*(Z|UTC|[+-]\d{2}(?::?\d{2})?)?$/i.exec(
      text.trim(),
    )
  if (!match) return refusedTime(422, `"${text}" is not a date and time such as 2030-05-01T10:00+02:00`)
  const [, date, clockTime, seconds = ':00', zone] = match
  if (zone === undefined) return refusedTime(400, 'the time needs a time zone, such as +02:00 or Z')
  const epochMs = Date.parse(`${date}T${clockTime!.padStart(5, '0')}${seconds}${isoZone(zone)}`)
  if (Number.isNaN(epochMs)) return refusedTime(422, `"${text}" is not a date and time`)
  if (epochMs <= now.getTime()) return refusedTime(422, 'the time lies in the past')
  return { kind: 'at', iso: new Date(epochMs).toISOString().replace('Z', '+00:00'), epochMs }
}

function isoZone(zone: string): string {
  if (/^(Z|UTC)$/i.test(zone)) return 'Z'
  const digits = zone.slice(1).replace(':', '')
  return `${zone[0]}${digits.slice(0, 2)}:${digits.slice(2) || '00'}`
}

function refusedTime(status: 400 | 422, reason: string): AskedTime {
  return { kind: 'refused', status, reason }
}
