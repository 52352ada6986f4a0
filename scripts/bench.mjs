// npm run bench -- NAME: a measured comparison from bench/NAME.ts, against the peers that it installs.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { runSource } from './bundle.mjs'
import { projectRoot, runCommand, SetupProblem, setUp } from './setup.mjs'

await runCommand(async () => {
  const [name, ...args] = process.argv.slice(2)
  const entry = `bench/${name}.ts`
  if (!name || name.includes('/') || !existsSync(join(projectRoot, entry))) {
    const names = readdirSync(join(projectRoot, 'bench')).flatMap(file =>
      file.endsWith('.ts') ? [file.slice(0, -3)] : [],
    )
    throw new SetupProblem(`Which benchmark? npm run bench -- NAME, one of: ${names.join(', ')}`)
  }
  await setUp('bench')
  const { build } = await import('./build.mjs')
  await build()
  return runSource(entry, args)
})
