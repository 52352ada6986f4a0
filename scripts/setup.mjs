// Puts on this machine what a command needs, and nothing that is already there. Imports no package: on a fresh
// clone it is the first thing that runs.
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const projectRoot = dirname(dirname(fileURLToPath(import.meta.url)))

/** Something that only the person at the keyboard can put right; the message says how. */
export class SetupProblem extends Error {}

const POSTGRES_PROGRAMS = ['postgres', 'initdb', 'pg_basebackup', 'pg_rewind', 'pg_controldata']

/** What may be missing, how to see that it is there, and the Debian packages that bring it, newest name first. */
const PROGRAMS = {
  postgres: {
    present: () => postgresBinDirectory() !== null,
    packages: ['postgresql'],
    title: 'PostgreSQL server',
  },
  etcd: { present: () => onPath('etcd'), packages: ['etcd-server', 'etcd'], title: 'etcd' },
  etcdctl: { present: () => onPath('etcdctl'), packages: ['etcd-client', 'etcd'], title: 'etcd client' },
  ip: { present: () => onPath('ip'), packages: ['iproute2'], title: 'ip (network namespaces)' },
  setpriv: {
    present: () => onPath('setpriv') && onPath('nsenter'),
    packages: ['util-linux'],
    title: 'setpriv',
  },
  nft: { present: () => onPath('nft'), packages: ['nftables'], title: 'nft (packet filter)' },
  mkfs: { present: () => onPath('mkfs.ext4'), packages: ['e2fsprogs'], title: 'mkfs.ext4' },
  strace: { present: () => onPath('strace'), packages: ['strace'], title: 'strace' },
  pgbench: {
    present: () => existsSync(join(postgresBinDirectory() ?? '', 'pgbench')),
    packages: ['postgresql-contrib'],
    title: 'pgbench',
  },
  patroni: { present: () => onPath('patroni'), packages: ['patroni'], title: 'Patroni, to compare with' },
  patroniEtcd: {
    present: () => pythonModulePresent('etcd') && pythonModulePresent('psycopg2'),
    packages: ['python3-etcd'],
    also: ['python3-psycopg2'],
    title: "Patroni's etcd and PostgreSQL drivers",
  },
}

/** For namespaces and disks of their own, which only root may make. */
const OF_USE_TO_ROOT = new Set(['ip', 'nft', 'mkfs', 'strace'])

/** What each command needs beyond the npm packages. */
const NEEDS = {
  check: [],
  start: ['postgres', 'etcd', 'setpriv', 'ip', 'nft'],
  test: ['postgres', 'etcd', 'etcdctl', 'setpriv', 'ip', 'nft', 'mkfs'],
  chaos: ['postgres', 'etcd', 'setpriv', 'ip', 'nft', 'mkfs', 'strace'],
  bench: ['postgres', 'etcd', 'etcdctl', 'setpriv', 'ip', 'nft', 'pgbench', 'patroni', 'patroniEtcd'],
}

/** Makes the machine ready for a command (`check`, `start`, `test`, `chaos`, `bench`). @throws SetupProblem */
export async function setUp(command) {
  checkNodeVersion()
  await ensureNpmPackages()
  const needs = NEEDS[command].filter(name => !OF_USE_TO_ROOT.has(name) || isRoot())
  const missing = needs.filter(name => !PROGRAMS[name].present())
  if (missing.length > 0) await installPrograms(missing)
}

/** Runs a command's main function: a SetupProblem is one sentence and exit code 1, anything else a stack trace. */
export async function runCommand(main) {
  try {
    const status = await main()
    process.exitCode = status ?? 0
  } catch (error) {
    console.error(error instanceof SetupProblem ? error.message : error)
    process.exitCode = 1
  }
}

/** Directory of the newest complete PostgreSQL installation, or null. */
export function postgresBinDirectory() {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).filter(name => /^\d+$/.test(name)) : []
  const candidates = versions
    .sort((a, b) => Number(b) - Number(a))
    .map(version => join(debian, version, 'bin'))
  const complete = directory => POSTGRES_PROGRAMS.every(program => executable(join(directory, program)))
  return [...candidates, ...pathDirectories()].find(complete) ?? null
}

export function isRoot() {
  return process.getuid() === 0
}

function checkNodeVersion() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  throw new SetupProblem(
    `vigil needs Node.js 20.19 or newer; this is ${process.versions.node}. Install a newer Node.js and try again.`,
  )
}

async function ensureNpmPackages() {
  if (npmPackagesCurrent()) return
  say('npm packages: installing (npm ci)')
  const result = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: projectRoot })
  if (result.status === 0) return
  const unreachable = /ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|network|E40[34]/.test(
    result.output,
  )
  if (unreachable) {
    const registry = /https?:\/\/[^\s/]+/.exec(result.output)?.[0] ?? 'the npm registry'
    throw new SetupProblem(
      `The npm packages could not be fetched from ${registry}. Check the network, or set another registry with "npm config set registry URL", then run the command again.`,
    )
  }
  if (/EACCES|EPERM|EROFS/.test(result.output)) {
    throw new SetupProblem(
      `The npm packages could not be written to ${projectRoot}/node_modules. Make the directory writable for this user, then run the command again.`,
    )
  }
  throw new SetupProblem(
    `"npm ci" failed (exit code ${result.status}); its last lines are above. Put that right and run the command again.`,
  )
}

/** Whether node_modules holds exactly the versions that the lock names. Compared by content: a checkout changes times. */
function npmPackagesCurrent() {
  const installedFile = join(projectRoot, 'node_modules', '.package-lock.json')
  if (!existsSync(installedFile)) return false
  const locked = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  return Object.entries(locked).every(([path, entry]) => {
    if (path === '' || (entry.optional && !installed[path])) return true
    return installed[path]?.version === entry.version && existsSync(join(projectRoot, path))
  })
}

async function installPrograms(missing) {
  const titles = missing.map(name => PROGRAMS[name].title).join(', ')
  const wanted = missing
    .flatMap(name => [PROGRAMS[name].packages[0], ...(PROGRAMS[name].also ?? [])])
    .join(' ')
  if (!onPath('apt-get')) {
    throw new SetupProblem(
      `Missing on this machine: ${titles}. There is no apt-get here, so install them with this system's package manager (Debian calls the packages: ${wanted}), then run the command again.`,
    )
  }
  if (!isRoot()) {
    throw new SetupProblem(
      `Missing on this machine: ${titles}. Installing needs root: run "sudo apt-get install --no-install-recommends ${wanted}", then run the command again.`,
    )
  }
  const releaseServices = holdServices()
  try {
    await installPackages(missing, titles)
  } finally {
    releaseServices()
  }
  const still = missing.filter(name => !PROGRAMS[name].present())
  if (still.length === 0) return
  const rest = still.map(name => PROGRAMS[name].title).join(', ')
  throw new SetupProblem(
    `The Debian packages were installed but these are still missing: ${rest}. Install them by hand and run the command again.`,
  )
}

async function installPackages(missing, titles) {
  say(`Debian packages for ${titles}: installing`)
  let choice = await choosePackages(missing)
  if (choice === null) {
    say('Debian package lists: updating')
    await apt(['update'])
    choice = await choosePackages(missing)
  }
  if (choice === null) {
    throw new SetupProblem(
      `The package sources of this machine do not offer: ${titles}. Add a source that does (see /etc/apt/sources.list) or install them by hand, then run the command again.`,
    )
  }
  const install = ['install', '-y', '--no-install-recommends', ...choice]
  const first = await apt(install)
  if (first.status === 0) return
  // Stale package lists name versions that the mirror no longer has.
  await apt(['update'])
  const second = await apt(install)
  if (second.status === 0) return
  throw new SetupProblem(aptSentence(second.output, choice))
}

function aptSentence(output, packages) {
  if (
    /Could not resolve|Failed to fetch|Connection failed|Cannot initiate the connection|timed out/i.test(
      output,
    )
  ) {
    return `The Debian package source did not answer. Check the network and /etc/apt/sources.list, or install ${packages.join(' ')} by hand, then run the command again.`
  }
  if (/Could not get lock/i.test(output))
    return 'Another package installation is running. Wait until it has ended, then run the command again.'
  return `"apt-get install ${packages.join(' ')}" failed; its last lines are above. Put that right and run the command again.`
}

/** For each program the first package name that this machine's sources know; null when one has none. */
async function choosePackages(missing) {
  const chosen = []
  for (const name of missing) {
    const { packages, also = [] } = PROGRAMS[name]
    let found = null
    for (const candidate of packages) {
      found ??=
        (await run('apt-cache', ['show', '--no-all-versions', candidate], { quiet: true })).status === 0
          ? candidate
          : null
    }
    if (found === null) return null
    chosen.push(found, ...also)
  }
  return [...new Set(chosen)]
}

function apt(args) {
  const options = [
    '-q',
    '-o',
    'DPkg::Lock::Timeout=120',
    '-o',
    'Acquire::Retries=1',
    '-o',
    'Acquire::http::Timeout=20',
  ]
  return run('apt-get', [...options, ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
  })
}

/**
 * Debian starts services while it installs packages. Ours are started by ourselves, so ask the package tools not to;
 * a policy that somebody put there stays as it is.
 */
function holdServices() {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return () => {}
  writeFileSync(
    policy,
    '#!/bin/sh\n# Written by the vigil set-up while it installs packages; safe to delete.\nexit 101\n',
    { mode: 0o755 },
  )
  const release = () => rmSync(policy, { force: true })
  process.once('exit', release)
  return () => {
    process.removeListener('exit', release)
    release()
  }
}

/** Runs a program, shows its lines indented unless `quiet`, and keeps the last ones for a failure. */
function run(program, args, { quiet = false, ...options } = {}) {
  return new Promise(resolve => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    const chunks = []
    const take = chunk => {
      chunks.push(chunk)
      if (!quiet) process.stderr.write(String(chunk).replace(/^(?=.)/gm, '    '))
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.on('error', error => resolve({ status: 127, output: error.message }))
    child.on('close', status => {
      resolve({ status, output: Buffer.concat(chunks).toString() })
    })
  })
}

function pythonModulePresent(name) {
  const places = ['/usr/lib/python3/dist-packages', ...(process.env.PYTHONPATH ?? '').split(':')]
  return places.some(place => place !== '' && existsSync(join(place, name)))
}

function pathDirectories() {
  return [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin'].filter(
    Boolean,
  )
}

function onPath(program) {
  return pathDirectories().some(directory => executable(join(directory, program)))
}

function executable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function say(sentence) {
  process.stderr.write(`set-up: ${sentence}\n`)
}
