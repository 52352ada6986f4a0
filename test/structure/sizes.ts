// How long a file may be: past 300 lines it is worth a thought, past 400 it fails.
export const LINES_WARNED = 300
export const LINES_MAX = 400

export interface Sized {
  readonly file: string
  readonly lines: number
}

export interface Judged {
  readonly tooLong: readonly string[]
  readonly long: readonly string[]
}

export function countLines(text: string): number {
  const lines = text.split('\n')
  return lines.at(-1) === '' ? lines.length - 1 : lines.length
}

export function judgeSizes(files: readonly Sized[]): Judged {
  const show = ({ file, lines }: Sized) => `${file}: ${lines} lines`
  return {
    tooLong: files.filter(({ lines }) => lines > LINES_MAX).map(show),
    long: files.filter(({ lines }) => lines > LINES_WARNED && lines <= LINES_MAX).map(show),
  }
}
