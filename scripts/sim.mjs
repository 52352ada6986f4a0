// npm run sim: the simulator, with its arguments passed on (`-- --seed 7`, `-- --seeds 1000`, `-- --plant NAME`).
import { runBundled } from './bundle.mjs'
import { runCommand, setUp } from './setup.mjs'

await runCommand(async () => {
  await setUp('check')
  return runBundled('sim/main.ts', process.argv.slice(2))
})
