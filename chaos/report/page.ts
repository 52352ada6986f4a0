// The report as one page without anything outside it: what happened when, who led, when nobody could write.
import type { FaultSpan, LeaderSpan, Report } from './report.ts'

const WIDTH = 1000
const LABEL = 90
const ROW = 22
const RATE_HEIGHT = 60
const COLOURS = ['#2f6fb0', '#2e8b57', '#b8860b', '#8a4fa3', '#a0522d'] as const

export function pageOf(report: Report): string {
  const good = report.findings.length === 0
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>chaos, seed ${report.options.seed}: ${good ? 'nothing wrong' : 'violations'}</title>
<style>${STYLE}</style>
<h1>${good ? 'Nothing went wrong that never may' : `${report.findings.length} findings`}</h1>
<p><code>${quoted(report.command)}</code></p>
<p>${quoted(report.startedAt)}, ${report.seconds.toFixed(0)} s${report.interrupted ? ', interrupted' : ''}.${
    report.leftOut.length > 0 ? ` Faults left out, for want of: ${quoted(report.leftOut.join(', '))}.` : ''
  }</p>
${good ? '' : `<ul class="findings">${report.findings.map(({ checker, sentence }) => `<li><b>${checker}</b> ${quoted(sentence)}</li>`).join('')}</ul>`}
${report.logs === null ? '' : `<p>Logs, decisions and records: <code>${quoted(report.logs)}</code></p>`}
${drawing(report)}
${totals(report)}
${faultTable(report)}
${leaderTable(report)}
</html>
`
}

function drawing(report: Report): string {
  const scale = (second: number) => LABEL + (second / report.seconds) * (WIDTH - LABEL)
  const lanes = lanesOf(report.faults)
  const top = { rate: 10, leaders: 20 + RATE_HEIGHT, faults: 30 + RATE_HEIGHT + report.members.length * ROW }
  const height = top.faults + lanes.length * ROW + 30
  const bar = (from: number, until: number, y: number, colour: string, title: string) =>
    `<rect x="${scale(from).toFixed(1)}" y="${y}" width="${Math.max(1.5, scale(until) - scale(from)).toFixed(1)}" height="${ROW - 6}" fill="${colour}"><title>${quoted(title)}</title></rect>`
  const text = (x: number, y: number, words: string) => `<text x="${x}" y="${y}">${quoted(words)}</text>`
  const stalls = report.stalls.map(
    ({ from, until }) =>
      `<rect x="${scale(from).toFixed(1)}" y="${top.rate}" width="${(scale(until) - scale(from)).toFixed(1)}" height="${height - 40}" class="stall"><title>no write for ${(until - from).toFixed(2)} s</title></rect>`,
  )
  const leaders = report.leaders.map(span =>
    bar(
      span.from,
      span.until,
      top.leaders + report.members.indexOf(span.name) * ROW,
      span.state === 'serving' ? COLOURS[report.members.indexOf(span.name) % COLOURS.length]! : '#bbb',
      describeLeader(span),
    ),
  )
  const faults = lanes.flatMap((lane, index) =>
    lane.flatMap(span => [
      bar(
        span.from,
        span.until,
        top.faults + index * ROW,
        span.notBegun === null ? '#c0392b' : '#ddd',
        describeFault(span),
      ),
      `<text class="on" x="${(scale(span.from) + 3).toFixed(1)}" y="${top.faults + index * ROW + 12}">${quoted(span.name)}</text>`,
    ]),
  )
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="timeline">
${stalls.join('\n')}
${rates(report, scale, top.rate)}
${text(0, top.rate + 12, 'rows/s')}
${report.members.map((name, index) => text(0, top.leaders + index * ROW + 12, name)).join('\n')}
${leaders.join('\n')}
${text(0, top.faults + 12, 'faults')}
${faults.join('\n')}
${ticks(report.seconds, scale, height)}
</svg>`
}

function rates({ rates: values, seconds }: Report, scale: (second: number) => number, top: number): string {
  const most = Math.max(1, ...values)
  const points = values.map((value, index) => {
    const x = scale(((index + 0.5) / values.length) * seconds)
    return `${x.toFixed(1)},${(top + RATE_HEIGHT - (value / most) * RATE_HEIGHT).toFixed(1)}`
  })
  return `<polyline class="rate" points="${points.join(' ')}"/>`
}

function ticks(seconds: number, scale: (second: number) => number, height: number): string {
  const step = [5, 10, 30, 60, 300, 600, 1800].find(each => seconds / each <= 12) ?? 3600
  const marks = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step)
  return marks
    .map(mark => `<text class="tick" x="${scale(mark).toFixed(1)}" y="${height - 8}">${mark} s</text>`)
    .join('')
}

/** Faults that overlap get rows of their own. */
function lanesOf(faults: readonly FaultSpan[]): readonly (readonly FaultSpan[])[] {
  const lanes: FaultSpan[][] = []
  for (const fault of faults.toSorted((a, b) => a.from - b.from)) {
    const free = lanes.find(lane => lane.at(-1)!.until < fault.from)
    if (free) free.push(fault)
    else lanes.push([fault])
  }
  return lanes
}

function totals({ totals: sums }: Report): string {
  const rows: readonly (readonly [string, string | number])[] = [
    ['rows acknowledged', sums.acknowledged],
    ['of them lost', sums.lost],
    ['unknown outcomes', sums.unknown],
    ['errors that applications saw', sums.errors],
    ['rows acknowledged without waiting for standbys', sums.weakAcknowledged],
    ['of them lost', sums.weakLost],
    [
      'list transactions committed, aborted, unknown',
      `${sums.lists.committed}, ${sums.lists.aborted}, ${sums.lists.unknown}`,
    ],
    ['counts', sums.counts],
    ['stretches without a synchronous rule', sums.unprotected],
    ['terms', sums.terms],
    ['longest time without a write', `${sums.longestStallSeconds.toFixed(2)} s`],
    ['agents that ended by themselves', sums.agentEnds],
  ]
  return table(
    'Totals',
    ['', ''],
    rows.map(row => row.map(String)),
  )
}

function faultTable({ faults }: Report): string {
  const rows = faults.map(fault => [
    String(fault.episode),
    `${fault.from.toFixed(1)} - ${fault.until.toFixed(1)}`,
    fault.name,
    fault.victims.join(', '),
    fault.notBegun === null ? fault.detail : `not begun: ${fault.notBegun}`,
  ])
  return table('Faults', ['episode', 'seconds', 'fault', 'who', ''], rows)
}

function leaderTable({ leaders }: Report): string {
  const rows = leaders.map(({ term, name, state, from, until }) => [
    String(term),
    name,
    state,
    `${from.toFixed(1)} - ${until.toFixed(1)}`,
  ])
  return table('Leaders', ['term', 'member', 'state', 'seconds'], rows)
}

function table(title: string, header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: 'td' | 'th') =>
    `<tr>${cells.map(cell => `<${tag}>${quoted(cell)}</${tag}>`).join('')}</tr>`
  return `<h2>${title}</h2><table>${line(header, 'th')}${rows.map(row => line(row, 'td')).join('\n')}</table>`
}

function describeLeader({ term, name, state, from, until }: LeaderSpan): string {
  return `term ${term}: ${name}, ${state}, ${from.toFixed(1)} to ${until.toFixed(1)} s`
}

function describeFault({ name, victims, detail, from, until, notBegun }: FaultSpan): string {
  return `${name} on ${victims.join(', ') || 'nobody'}, ${from.toFixed(1)} to ${until.toFixed(1)} s ${notBegun ?? detail}`
}

function quoted(text: string): string {
  return text.replace(/[&<>"]/g, sign => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]!)
}

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
svg { width: 100%; background: #fafafa; border: 1px solid #ddd }
svg text { font: 11px system-ui, sans-serif; fill: #444 } svg text.on { fill: #fff; pointer-events: none } svg text.tick { fill: #888 }
.stall { fill: #f6d5d0 } .rate { fill: none; stroke: #555; stroke-width: 1 }
table { border-collapse: collapse; font-size: 13px } td, th { text-align: left; padding: 2px 12px 2px 0; border-bottom: 1px solid #eee; vertical-align: top }
.findings { background: #fdecea; padding: 1rem 2rem; border: 1px solid #c0392b } code { background: #f0f0f0; padding: 1px 4px; overflow-wrap: anywhere }
`
