// Asks operations of a member with a fake agent, over REST as operators do.
import type { TestContext } from 'node:test'
import { createWorld, serve, type WorldOptions } from './api-world.ts'

export async function open(t: TestContext, options: WorldOptions = {}) {
  const world = await createWorld(options)
  const { server, url } = await serve(world)
  t.after(() => server.close())
  const ask = async (line: string, body?: unknown, headers: Record<string, string> = {}) => {
    const [method, path] = line.split(' ') as [string, string]
    const response = await fetch(`${url}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: response.status, text: await response.text(), headers: response.headers }
  }
  return { world, ask }
}

export function pick({ status, text }: { readonly status: number; readonly text: string }) {
  return { status, text }
}
