// Options of programs as Patroni's configuration spells them: flags and one-entry mappings in a list.
import type { ProgramOption } from '../../core/setting-kind.ts'
import { VigilError } from '../../kernel/errors.ts'
import { oneLine } from './conninfo.ts'

/** Long options, ready for a command line. @throws VigilError CONFIG_INVALID for those that belong to us. */
export function programArguments(
  key: string,
  options: readonly ProgramOption[],
  refused: readonly string[],
): readonly string[] {
  return options
    .flatMap(option => pairs(option))
    .flatMap(([name, value]) => {
      if (!/^[a-z0-9][a-z0-9-]*$/i.test(name)) throw invalid(key, `"${name.slice(0, 40)}" is not an option`)
      if (refused.includes(name))
        throw invalid(key, `option "${name}" is set by vigil and can't be configured`)
      if (value === null || value === 'true') return [`--${name}`]
      if (value === 'false') return []
      try {
        return [`--${name}=${oneLine(name, value)}`]
      } catch {
        throw invalid(key, `the value of "${name}" contains a line break or a control character`)
      }
    })
}

function pairs(option: ProgramOption): readonly (readonly [string, string | null])[] {
  if (typeof option !== 'string') return Object.entries(option)
  const text = option.replace(/^--/, '')
  const equals = text.indexOf('=')
  return [equals < 0 ? [text, null] : [text.slice(0, equals), text.slice(equals + 1)]]
}

function invalid(key: string, reason: string): VigilError {
  return new VigilError('CONFIG_INVALID', { message: `${key}: ${reason}.` })
}
