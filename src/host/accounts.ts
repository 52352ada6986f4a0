// Users of this machine, by number and by name.
import { readFile } from 'node:fs/promises'

export interface User {
  readonly uid: number
  readonly gid: number
}

export async function userNamed(name: string): Promise<User | null> {
  const line = (await accounts()).find(([known]) => known === name)
  return line?.[2] && line[3] ? { uid: Number(line[2]), gid: Number(line[3]) } : null
}

/** The number itself where no name is known. */
export async function nameOfUser(uid: number): Promise<string> {
  return (await accounts()).find(line => line[2] === String(uid))?.[0] ?? `number ${uid}`
}

export async function ownName(): Promise<string> {
  return nameOfUser(process.getuid?.() ?? 0)
}

async function accounts(): Promise<readonly (readonly string[])[]> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '')
  return text.split('\n').map(line => line.split(':'))
}
