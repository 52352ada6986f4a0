// The difference between two texts, line by line, as `diff -u` shows it.

const CONTEXT_LINES = 3

interface Line {
  readonly mark: ' ' | '-' | '+'
  readonly text: string
}

/** Empty when both are the same. */
export function unifiedDiff(
  before: string,
  after: string,
  names = { before: 'before', after: 'after' },
): string {
  if (before === after) return ''
  const lines = compareLines(splitLines(before), splitLines(after))
  const hunks = groupHunks(lines)
  return [
    `--- ${names.before}`,
    `+++ ${names.after}`,
    ...hunks.flatMap(hunk => formatHunk(lines, hunk)),
  ].join('\n')
}

function splitLines(text: string): readonly string[] {
  const lines = text.split('\n')
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines
}

/** By the longest common subsequence; configurations are short. */
function compareLines(before: readonly string[], after: readonly string[]): readonly Line[] {
  const common = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0))
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      const same = before[i] === after[j]
      common[i]![j] = same ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!)
    }
  }
  const lines: Line[] = []
  let i = 0
  let j = 0
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ mark: ' ', text: before[i]! })
      i += 1
      j += 1
    } else if (j >= after.length || (i < before.length && common[i + 1]![j]! >= common[i]![j + 1]!)) {
      lines.push({ mark: '-', text: before[i]! })
      i += 1
    } else {
      lines.push({ mark: '+', text: after[j]! })
      j += 1
    }
  }
  return lines
}

interface Hunk {
  readonly start: number
  readonly end: number
}

function groupHunks(lines: readonly Line[]): readonly Hunk[] {
  const hunks: Hunk[] = []
  for (const [index, line] of lines.entries()) {
    if (line.mark === ' ') continue
    const start = Math.max(0, index - CONTEXT_LINES)
    const end = Math.min(lines.length, index + CONTEXT_LINES + 1)
    const last = hunks.at(-1)
    if (last !== undefined && start <= last.end) hunks[hunks.length - 1] = { start: last.start, end }
    else hunks.push({ start, end })
  }
  return hunks
}

function formatHunk(lines: readonly Line[], { start, end }: Hunk): readonly string[] {
  const count = (part: readonly Line[], other: '-' | '+') => part.filter(line => line.mark !== other).length
  const earlier = lines.slice(0, start)
  const shown = lines.slice(start, end)
  const range = (other: '-' | '+') => {
    const length = count(shown, other)
    const first = count(earlier, other) + (length === 0 ? 0 : 1)
    return length === 1 ? `${first}` : `${first},${length}`
  }
  return [`@@ -${range('+')} +${range('-')} @@`, ...shown.map(line => `${line.mark}${line.text}`)]
}
