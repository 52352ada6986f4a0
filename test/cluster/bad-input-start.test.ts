// Starts that PostgreSQL itself refuses, and directories as people make them.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { databaseUser, giveTo, isRoot } from '../lab/database-user.ts'
import { waitFor } from '../lab/wait.ts'
import { type BadInputLab, LIMIT_MS, makeDirectory, openLab, passed, type Seat } from './bad-input-lab.ts'

let lab: BadInputLab
let amber: Seat
let birch: Seat
let failed = false

before(async () => {
  lab = openLab(['amber', 'birch'])
  amber = lab.seat('amber')
  birch = lab.seat('birch')
  lab.etcd.startAll()
  await lab.etcd.waitUntilHealthy()
})
afterEach(context => {
  failed ||= !passed(context)
})
after(() => lab.close(failed))

test('what PostgreSQL said when it did not start is shown, and a corrected file is enough', async () => {
  amber.write({ postgresql: { parameters: { shared_preload_libraries: 'no_such_library' } } })
  const agent = amber.start()
  const said = await waitFor('the reason is shown', LIMIT_MS, async () => {
    const { body } = await amber.member.rest('/explain')
    return /"said":\s*"([^"\\]|\\.)*no_such_library([^"\\]|\\.)*"/.exec(body)?.[0]
  })
  console.log(`message: ${said}`)
  assert.equal(agent.alive(), true)
  await amber.crash()
  amber.write()
  amber.start()
  await waitFor('amber is primary', LIMIT_MS, () => amber.member.writable())
})

test('an empty directory that others may read is made private', async () => {
  makeDirectory(birch.dataDirectory, 0o755)
  birch.start()
  await waitFor('birch streams', LIMIT_MS, async () => {
    const rows = await birch.member.query(`SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'`)
    return rows.length === 1
  })
})

test('directories above the data directory are made where its user may make them', {
  skip: !isRoot(),
}, async () => {
  await birch.crash()
  rmSync(birch.dataDirectory, { recursive: true })
  rmSync(birch.stateDirectory, { recursive: true })
  const place = join(birch.host.directory, 'own')
  mkdirSync(place)
  giveTo(databaseUser(), place)
  const dataDirectory = join(place, '15', 'main', 'data')
  birch.write({ postgresql: { data_dir: dataDirectory }, vigil: null })
  birch.start()
  await waitFor('birch streams', LIMIT_MS, async () => {
    const rows = await birch.member.query(`SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'`)
    return rows.length === 1
  })
  assert.equal(existsSync(join(place, '15', 'main', 'vigil-lab-birch', 'member.json')), true)
})
