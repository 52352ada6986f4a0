// npm run chaos: random faults on a real cluster, with its arguments passed on (`-- --minutes 5 --seed 7`).
import { runSource } from './bundle.mjs'
import { runCommand, setUp } from './setup.mjs'

await runCommand(async () => {
  await setUp('chaos')
  const { build } = await import('./build.mjs')
  await build()
  return runSource('chaos/main.ts', process.argv.slice(2))
})
