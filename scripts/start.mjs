// npm start: a real cluster of three members on this machine that loses its primary and goes on.
import { runSource } from './bundle.mjs'
import { runCommand, setUp } from './setup.mjs'

await runCommand(async () => {
  await setUp('start')
  const { build } = await import('./build.mjs')
  await build()
  return runSource('scripts/demo/main.ts', process.argv.slice(2))
})
