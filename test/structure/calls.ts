// Finds what a layer must not call, in the syntax tree: words in comments and strings don't count.
import ts from 'typescript'

/** What a part of the sources may not use. */
interface Ban {
  readonly where: RegExp
  readonly except?: RegExp
  readonly rule: string
  readonly found: (node: ts.Node, shadowed: (name: string) => boolean) => boolean
}

const TIMERS = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']
const WORLD = ['process', 'performance', 'crypto', 'fetch', 'console', 'globalThis', 'require', 'WebSocket']
const PURE = /^src\/(kernel|core)\//
const AGENT = /^src\/agent\//

const BANS: readonly Ban[] = [
  {
    where: PURE,
    rule: 'no time in kernel and core',
    found: (node, shadowed) => usesGlobal(node, ['Date'], shadowed),
  },
  {
    where: PURE,
    rule: 'no timers in kernel and core',
    found: (node, shadowed) => usesGlobal(node, TIMERS, shadowed),
  },
  {
    where: PURE,
    rule: 'no outside world in kernel and core',
    found: (node, shadowed) => usesGlobal(node, WORLD, shadowed),
  },
  {
    where: PURE,
    rule: 'no Node modules in kernel and core',
    found: node => /^node:/.test(importedName(node) ?? ''),
  },
  { where: /^src\/(kernel|core|agent)\//, rule: 'no randomness outside the clock port', found: isRandom },
  { where: AGENT, rule: 'time in the agent comes from the clock port', found: readsTime },
  {
    where: AGENT,
    rule: 'timers in the agent come from the clock port',
    found: (node, shadowed) => usesGlobal(node, TIMERS, shadowed),
  },
  {
    where: AGENT,
    rule: 'no outside world in the agent',
    found: node =>
      /^(node:)?(fs|net|tls|http|https|child_process|crypto|timers|os|dgram|worker_threads|perf_hooks)(\/|$)/.test(
        importedName(node) ?? '',
      ),
  },
  {
    where: /^src\//,
    except: /^src\/bin\//,
    rule: 'only src/bin reads the arguments, the environment, or ends the process',
    found: node => isMember(node, 'process', ['argv', 'env', 'exit', 'exitCode']),
  },
  { where: /^(src|sim)\//, rule: 'no any', found: node => node.kind === ts.SyntaxKind.AnyKeyword },
  { where: /^src\//, rule: 'no test-only switch', found: isTestSwitch },
]

/** `file:line rule`, in the order of the text. */
export function bannedCalls(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const own = declaredNames(source)
  const shadowed = (name: string) => own.has(name)
  const bans = BANS.filter(ban => ban.where.test(file) && !ban.except?.test(file))
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    for (const ban of bans) {
      if (ban.found(node, shadowed)) {
        found.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1} ${ban.rule}`)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** A value use of a global by one of `names`; a type, a property of that name, or an own binding is none. */
function usesGlobal(node: ts.Node, names: readonly string[], shadowed: (name: string) => boolean): boolean {
  if (!ts.isIdentifier(node) || !names.includes(node.text) || shadowed(node.text)) return false
  const parent = node.parent
  if (ts.isTypeNode(parent) || ts.isTypeQueryNode(parent)) return false
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false
  const named = parent as ts.Node & { readonly name?: ts.Node }
  return named.name !== node
}

function isMember(node: ts.Node, object: string, members: readonly string[]): boolean {
  if (!ts.isPropertyAccessExpression(node) && !ts.isElementAccessExpression(node)) return false
  if (!ts.isIdentifier(node.expression) || node.expression.text !== object) return false
  if (ts.isPropertyAccessExpression(node)) return members.includes(node.name.text)
  return ts.isStringLiteral(node.argumentExpression) && members.includes(node.argumentExpression.text)
}

function isRandom(node: ts.Node): boolean {
  if (isMember(node, 'Math', ['random'])) return true
  if (isMember(node, 'crypto', ['randomUUID', 'randomBytes', 'getRandomValues', 'randomInt'])) return true
  return /^(node:)?crypto$/.test(importedName(node) ?? '')
}

function readsTime(node: ts.Node, shadowed: (name: string) => boolean): boolean {
  if (isMember(node, 'Date', ['now'])) return true
  if (isMember(node, 'process', ['hrtime', 'uptime'])) return true
  if (usesGlobal(node, ['performance'], shadowed)) return true
  const called = ts.isNewExpression(node) || ts.isCallExpression(node) ? node : null
  if (called === null || !ts.isIdentifier(called.expression) || called.expression.text !== 'Date')
    return false
  return (called.arguments ?? []).length === 0
}

const SWITCH =
  /__test|^(is|in|for|only)?_?tests?_?(mode|only|hook|ing|run|switch)$|for_?tests?$|^NODE_ENV$|^VIGIL_TEST|^NODE_TEST/i

function isTestSwitch(node: ts.Node): boolean {
  if (ts.isIdentifier(node) || ts.isStringLiteral(node)) return SWITCH.test(node.text)
  return false
}

function importedName(node: ts.Node): string | null {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    return node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier) ? node.moduleSpecifier.text : null
  }
  const dynamic = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
  const argument = dynamic ? node.arguments[0] : undefined
  return argument && ts.isStringLiteral(argument) ? argument.text : null
}

/** Names that the file itself binds: parameters, variables, functions, imports. */
function declaredNames(source: ts.SourceFile): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (node: ts.Node): void => {
    const binds =
      ts.isVariableDeclaration(node) ||
      ts.isParameter(node) ||
      ts.isFunctionDeclaration(node) ||
      ts.isImportSpecifier(node) ||
      ts.isBindingElement(node)
    if (binds && node.name && ts.isIdentifier(node.name)) names.add(node.name.text)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return names
}
