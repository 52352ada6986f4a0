// The data directory as the user sees it that is to run PostgreSQL on it. Looks only.
import { access, constants, readdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { EnvironmentProblem } from '../config/validate.ts'
import { nameOfUser, ownName } from './accounts.ts'

/** What PostgreSQL accepts: nothing for others, and for the group at most reading. */
const FORBIDDEN_MODE = 0o027
const NAMES_SHOWN = 3

/** @param unfinishedMarker a directory that holds this file was begun by us: the agent knows what to do with it */
export async function dataDirectoryProblems(
  directory: string,
  unfinishedMarker: string,
): Promise<readonly EnvironmentProblem[]> {
  const me = await ownName()
  const problem = (found: string, hint: string): readonly EnvironmentProblem[] => [
    {
      severity: 'error',
      key: ['postgresql', 'data_dir'],
      found: `${JSON.stringify(directory)}, ${found}`,
      expected: `a data directory of user ${me}, or an empty or absent one that can be made`,
      hint: `${hint} Nothing was changed.`,
    },
  ]
  try {
    const about = await stat(directory)
    if (!about.isDirectory())
      return problem('which is a file', 'Point postgresql.data_dir at a directory, or move the file away.')
    const mode = (about.mode & 0o777).toString(8).padStart(4, '0')
    if (about.uid !== process.getuid?.()) {
      const owner = await nameOfUser(about.uid)
      const run = about.uid === 0 ? 'Give' : `Run vigild as ${owner}, or give`
      return problem(
        `which belongs to user ${owner} (mode ${mode})`,
        `${run} the directory and what is in it to ${me} (chown -R).`,
      )
    }
    const names = (await readdir(directory)).filter(name => name !== 'lost+found')
    if (names.length === 0 || names.includes(unfinishedMarker)) return []
    if (!names.includes('PG_VERSION'))
      return problem(
        `which is not empty and is no data directory (it holds ${listed(names)})`,
        'Point postgresql.data_dir elsewhere, or move what is there away.',
      )
    if ((about.mode & FORBIDDEN_MODE) !== 0)
      return problem(
        `with mode ${mode}, which PostgreSQL refuses`,
        `Run: chmod 0700 ${directory}. It shows others the data.`,
      )
    return []
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return absent(directory, problem)
    if (code === 'ENOTDIR')
      return problem('with a file in the middle of its path', 'Correct postgresql.data_dir.')
    return problem(
      `which user ${me} can't read (${code})`,
      'Let that user through: check owner and mode of the directory and of those above it.',
    )
  }
}

async function absent(
  directory: string,
  problem: (found: string, hint: string) => readonly EnvironmentProblem[],
): Promise<readonly EnvironmentProblem[]> {
  for (let path = dirname(directory); ; path = dirname(path)) {
    try {
      await stat(path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' && path !== dirname(path)) continue
      return problem(`which can't be reached (${code} at ${path})`, 'Correct postgresql.data_dir.')
    }
    try {
      await access(path, constants.W_OK | constants.X_OK)
      return []
    } catch {
      return problem(
        `which does not exist and can't be made in ${path}`,
        `If a file system is to be mounted there, mount it; else make ${dirname(directory)} and give it to ${await ownName()} (chown).`,
      )
    }
  }
}

function listed(names: readonly string[]): string {
  const sorted = [...names].sort().slice(0, NAMES_SHOWN)
  const more = names.length - sorted.length
  return sorted.map(name => JSON.stringify(name)).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
