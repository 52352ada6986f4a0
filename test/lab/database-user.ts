// Whom members run as: PostgreSQL refuses root, so root hands over to a user that can't hurt the machine.
import { execFileSync } from 'node:child_process'
import { chownSync } from 'node:fs'

export interface DatabaseUser {
  readonly uid: number
  readonly gid: number
  /** Whether programs have to be started through setpriv. */
  readonly switched: boolean
}

export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** The user `postgres` when this is root, else whoever this is. */
export function databaseUser(): DatabaseUser {
  if (!isRoot()) return { uid: process.getuid!(), gid: process.getgid!(), switched: false }
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g'), switched: true }
}

/** The prefix that makes a program run as that user, without any privilege left. */
export function switchUser(user: DatabaseUser): readonly string[] {
  if (!user.switched) return []
  return ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups', '--inh-caps=-all', '--']
}

export function giveTo(user: DatabaseUser, path: string): void {
  if (user.switched) chownSync(path, user.uid, user.gid)
}
