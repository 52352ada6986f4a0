// npm run check: what a developer runs before each commit, within a minute.
import { runCommand, setUp } from './setup.mjs'
import { packageProgram, programStage, runStages, testStage } from './stages.mjs'

await runCommand(async () => {
  await setUp('check')
  const passed = await runStages([
    // Remembers what it found: the second check of a day only looks at what changed.
    programStage('types', [
      packageProgram('tsc'),
      '-p',
      '.',
      '--incremental',
      '--tsBuildInfoFile',
      'build/types.tsbuildinfo',
    ]),
    programStage('lint', [packageProgram('biome'), 'check', '.']),
    testStage('structure', ['test/structure']),
    testStage(
      'unit',
      ['test/unit', 'test/lab', 'bench/lab', 'chaos', 'chaos/list-append', 'chaos/judge', 'chaos/report'],
      { depth: 0 },
    ),
    testStage('golden', ['test/golden']),
    programStage('simulation', [process.execPath, 'scripts/sim.mjs', '--seeds', '200']),
  ])
  return passed ? 0 : 1
})
