// A host's time of day can jump: its programs get a library in front of the C library that adds what a file says.
// Clocks that only run forward are left alone; nothing in vigil may depend on the time of day.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { databaseUser, giveTo } from './database-user.ts'
import type { Host } from './host.ts'

const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset;

static long long seconds(void) { return offset ? *offset : 0; }

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("VIGIL_CHAOS_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(0, sizeof(long long), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) offset = page;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += seconds();
  return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  static int (*real)(struct timeval *, void *);
  if (!real) real = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
  int result = real(time, zone);
  if (result == 0 && time) time->tv_sec += seconds();
  return result;
}

/* Node starts itself again by what it takes for its own path: by the script that puts us in front of it. */
ssize_t readlink(const char *restrict path, char *restrict out, size_t room) {
  static ssize_t (*real)(const char *, char *, size_t);
  if (!real) real = (ssize_t (*)(const char *, char *, size_t))dlsym(RTLD_NEXT, "readlink");
  const char *own = getenv("VIGIL_CHAOS_PROGRAM");
  if (!own || strcmp(path, "/proc/self/exe") != 0) return real(path, out, room);
  size_t length = strlen(own) < room ? strlen(own) : room;
  memcpy(out, own, length);
  return (ssize_t)length;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
`

const LIBRARY = 'clock.so'
const CLOCK = 'clock'

/** Compiles the library below the laboratory's directory. */
export function buildClock(directory: string): void {
  const library = join(directory, LIBRARY)
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-x', 'c', '-o', library, '-', '-ldl'], {
    input: SOURCE,
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: 60_000,
  })
  chmodSync(library, 0o755)
}

/** What the programs of a host need in their environment. */
export function clockEnvironment(directory: string, host: Host): Readonly<Record<string, string>> {
  stepClock(host, 0)
  return { LD_PRELOAD: join(directory, LIBRARY), VIGIL_CHAOS_CLOCK: clockFile(host) }
}

function environmentOf(directory: string, host: Host): readonly string[] {
  return Object.entries(clockEnvironment(directory, host)).map(([name, value]) => `${name}=${value}`)
}

/**
 * A Node.js for this host whose time of day is the host's, also in the Node.js that it starts: a guard inherits nothing
 * of the environment that would do it.
 */
export function clockedNode(directory: string, host: Host, node: string): string {
  const path = join(host.directory, 'node')
  return script(path, [...environmentOf(directory, host), `VIGIL_CHAOS_PROGRAM=${path}`], node)
}

/** PostgreSQL's programs, of which the server takes the time of day from the host that its data lies on. */
export function clockedPostgres(directory: string, binDirectory: string): string {
  const own = join(directory, 'postgresql')
  mkdirSync(own)
  for (const name of readdirSync(binDirectory))
    if (name !== 'postgres') symlinkSync(join(binDirectory, name), join(own, name))
  const lines = [
    '#!/bin/sh',
    'for word; do [ "$previous" = -D ] && data=$word; previous=$word; done',
    `export LD_PRELOAD=${join(directory, LIBRARY)} VIGIL_CHAOS_CLOCK="\${data%/*}/${CLOCK}"`,
    `exec ${join(binDirectory, 'postgres')} "$@"`,
  ]
  writeFileSync(join(own, 'postgres'), `${lines.join('\n')}\n`, { mode: 0o755 })
  return own
}

function script(path: string, environment: readonly string[], program: string): string {
  writeFileSync(path, `#!/bin/sh\nexport ${environment.join(' ')}\nexec ${program} "$@"\n`, { mode: 0o755 })
  return path
}

/** From now on the host's time of day is so many seconds off. */
export function stepClock(host: Host, seconds: number): void {
  const offset = Buffer.alloc(8)
  offset.writeBigInt64LE(BigInt(seconds))
  // In place: the programs have this file in their memory.
  writeFileSync(clockFile(host), offset, { flag: 'r+' })
}

function clockFile(host: Host): string {
  return join(host.directory, CLOCK)
}

export function createClock(host: Host): void {
  writeFileSync(clockFile(host), Buffer.alloc(8))
  giveTo(databaseUser(), clockFile(host))
}
