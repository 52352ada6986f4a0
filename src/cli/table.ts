// A table for a terminal: aligned columns, no frames, never wider than it may be.

export interface Column {
  readonly title: string
  readonly align?: 'right'
}

const GAP = '  '

/** The last column gives way when the table is too wide. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  widthMax: number,
): string {
  const shown = columns
    .map((column, index) => ({ column, index }))
    .filter(({ column, index }) => column.title === '' || rows.some(row => row[index] !== '') || index < 2)
  const widths = shown.map(({ column, index }) =>
    Math.max(column.title.length, ...rows.map(row => row[index]!.length)),
  )
  const lines = [columns.map(column => column.title), ...rows].map(cells => {
    const line = shown
      .map(({ column, index }, position) => pad(cells[index]!, widths[position]!, column.align))
      .join(GAP)
      .trimEnd()
    return line.length <= widthMax ? line : `${line.slice(0, Math.max(0, widthMax - 3))}...`
  })
  return `${lines.join('\n')}\n`
}

function pad(text: string, width: number, align: Column['align']): string {
  return align === 'right' ? text.padStart(width) : text.padEnd(width)
}

export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

export function secondsText(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`
}
