// Connection strings and password files: what goes in comes out, and nothing becomes another parameter.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  formatConninfo,
  formatPassfileLine,
  oneLine,
  parseConninfo,
} from '../../src/engines/postgres/conninfo.ts'

const value = fc.string({ unit: 'grapheme', minLength: 1 }).filter(text => {
  try {
    oneLine('value', text)
    return true
  } catch {
    return false
  }
})
const nasty = fc.oneof(
  value,
  fc.constantFrom("'", '\\', "a'b", 'a b', ' ', "\\'", 'x dbname=other host=evil', '=', "' host='evil"),
)

test('whatever is written as key=value is read back, alone and beside others', () => {
  fc.assert(
    fc.property(nasty, nasty, nasty, (host, user, password) => {
      const parameters = { host, user, password, application_name: 'a' }
      assert.deepEqual(parseConninfo(formatConninfo(parameters)), parameters)
    }),
  )
})

test('whatever is written into a URI by its rules is read back', () => {
  fc.assert(
    fc.property(nasty, nasty, nasty, fc.integer({ min: 1, max: 65535 }), (user, password, dbname, port) => {
      const part = encodeURIComponent
      const text = `postgresql://${part(user)}:${part(password)}@host.example:${port}/${part(dbname)}?sslmode=require`
      const expected = {
        user,
        password,
        host: 'host.example',
        port: String(port),
        dbname,
        sslmode: 'require',
      }
      assert.deepEqual(parseConninfo(text), expected)
    }),
  )
})

test('an empty value stays an empty value', () => {
  assert.deepEqual(parseConninfo(formatConninfo({ host: '', user: 'a' })), { host: '', user: 'a' })
})

test('blanks around the equals sign, escapes and several hosts are read as libpq reads them', () => {
  assert.deepEqual(parseConninfo(String.raw`host = amber  password='it\'s' options=a\ b`), {
    host: 'amber',
    password: "it's",
    options: 'a b',
  })
  assert.deepEqual(parseConninfo('postgres://amber,birch:5433/x'), {
    host: 'amber,birch',
    port: ',5433',
    dbname: 'x',
  })
  assert.deepEqual(parseConninfo('postgresql:///x?host=/run/pg&port=1'), {
    host: '/run/pg',
    port: '1',
    dbname: 'x',
  })
  assert.deepEqual(parseConninfo('postgresql://[::1]:7/'), { host: '::1', port: '7' })
  assert.deepEqual(parseConninfo(''), {})
})

test('damaged strings are refused without being repeated in the message', () => {
  for (const text of ["password='secret", 'secret', 'postgres://u:%zz@h/', 'postgres://h/x?secret']) {
    assert.throws(
      () => parseConninfo(text),
      (error: Error) => !error.message.includes('secret'),
    )
  }
})

test('line breaks and zero bytes are refused, tabs are not', () => {
  for (const bad of ['a\nb', 'a\rb', 'a\u0000b', '\u007f']) {
    assert.throws(() => formatConninfo({ host: bad }))
    assert.throws(() =>
      formatPassfileLine({ host: null, port: null, database: null, user: 'u', password: bad }),
    )
  }
  assert.equal(oneLine('x', 'a\tb'), 'a\tb')
  assert.throws(() => formatConninfo({ 'host=x ': 'y' }))
})

test('a line of a password file is read back by its rules, field by field', () => {
  fc.assert(
    fc.property(nasty, nasty, (user, password) => {
      const line = formatPassfileLine({ host: 'fe80::1', port: 5432, database: null, user, password })
      const fields = line.match(/(?:[^\\:]|\\[\s\S])+/g)!.map(field => field.replace(/\\([\s\S])/g, '$1'))
      assert.deepEqual(fields, ['fe80::1', '5432', '*', user, password])
    }),
  )
})
