// Layers: kernel <- core <- ports <- the middle <- faces <- composition roots. test/structure proves that these rules bite.

/** The folders of src that a layer may import, itself included. */
const MAY_IMPORT = {
  kernel: [],
  core: ['kernel'],
  ports: ['kernel', 'core'],
  // The middle: none imports another.
  agent: ['kernel', 'core', 'ports'],
  operations: ['kernel', 'core', 'ports'],
  stores: ['kernel', 'core', 'ports'],
  engines: ['kernel', 'core', 'ports'],
  guard: ['kernel', 'core', 'ports'],
  routing: ['kernel', 'core', 'ports'],
  backup: ['kernel', 'core', 'ports'],
  // Beside the middle: read by the composition roots, they know no part of it.
  config: ['kernel', 'core', 'ports'],
  telemetry: ['kernel', 'core', 'ports'],
  // This machine: clocks, the member's memory on disk, locks, users; whether it is as the configuration says.
  host: ['kernel', 'core', 'ports', 'config'],
  // Faces.
  api: ['kernel', 'core', 'ports', 'operations', 'config', 'telemetry'],
  cli: ['kernel', 'core', 'ports', 'operations', 'config', 'telemetry'],
  compat: ['kernel', 'core', 'ports', 'operations', 'config', 'telemetry', 'api', 'cli'],
}

const layers = Object.entries(MAY_IMPORT).map(([layer, below]) => ({
  name: `layer-${layer}`,
  comment: `${layer} may import only: ${below.join(', ') || 'itself'}`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: '^(src|sim|test|bench|scripts)/', pathNot: `^src/(${[layer, ...below].join('|')})/` },
}))

module.exports = {
  forbidden: [
    ...layers,
    {
      name: 'known-folder',
      comment: 'a folder of src that no layer rule knows would be free to import anything',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(${[...Object.keys(MAY_IMPORT), 'bin'].join('|')})/` },
      to: {},
    },
    {
      name: 'bin-is-the-top',
      comment: 'src/bin composes; nothing imports it, and it needs nothing outside src',
      severity: 'error',
      from: { path: '^(src|sim)/', pathNot: '^src/bin/' },
      to: { path: '^src/bin/' },
    },
    {
      name: 'shipped-code-only',
      comment: 'what is shipped does not need the simulator, tests or scripts',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(sim|test|bench|scripts)/' },
    },
    {
      name: 'pure-layers',
      comment: 'kernel and core import neither Node nor packages',
      severity: 'error',
      from: { path: '^src/(kernel|core)/' },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'guard-stands-alone',
      comment: 'the guard is small and needs no package',
      severity: 'error',
      from: { path: '^src/guard/' },
      to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'no-circle', severity: 'error', from: { path: '^(src|sim)/' }, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'runtime-dependencies',
      comment: 'what is shipped needs packages from dependencies, not from devDependencies',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], pathNot: '^node_modules/@types/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
