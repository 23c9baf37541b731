/** What the command is told: by flag, by environment, by file, in this order. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { CreateEmulatorOptions } from '../server/emulator.ts'
import type { SubMerchant, StateOptions } from '../state/state.ts'
import { didYouMean } from './nearest.ts'
import { VERBS } from './verbs.ts'

type Kind = 'text' | 'number' | 'port' | 'switch' | 'list'

/** Each setting: as a flag `--app-id`, as `WECHAT_EMULATOR_APP_ID`, and as `appId` in the file. */
const SETTINGS: Record<string, [kind: Kind, help: string]> = {
  port: ['port', 'default 8788; 0 takes a free one'],
  'secure-port': ['port', 'where TLS listens, for payments and for WeChat\'s own host names; default 8789 (free where --port is). 443 with a hosts entry'],
  host: ['text', 'default 127.0.0.1: only this machine'],
  'public-host': ['list', 'a further name or address that it is reached by, as of a container; several with commas or by repeating it'],
  data: ['text', 'a folder: accounts, keys and orders are kept there, and files for other SDKs. One emulator at a time'],
  seed: ['text', 'makes account, ids and nonces repeatable (keys never are)'],
  'time-scale': ['number', 'multiplies the delays between notifications; 0.01 makes minutes of hours'],
  'app-id': ['text', 'the account; made up where not given'],
  'app-secret': ['text', ''],
  'mch-id': ['text', ''],
  'api-key': ['text', 'of v2'],
  'api-v3-key': ['text', ''],
  'key-mode': ['text', 'of v3: public-key (default), certificate or both'],
  'sub-merchant': ['list', 'a merchant that this one, as a service provider, may act for: SUB_MCH_ID or SUB_MCH_ID:SUB_APP_ID; several as above'],
  'native-url': ['text', 'where WeChat asks for the order of a NATIVE code of mode 1'],
  component: ['switch', 'a third-party platform (第三方平台) that the accounts may authorize; made up where not given below'],
  'component-url': ['text', 'its URL for tickets and authorization events'],
  'component-app-id': ['text', ''],
  'component-app-secret': ['text', ''],
  'component-token': ['text', ''],
  'component-aes-key': ['text', 'EncodingAESKey: 43 letters and digits'],
  'component-domain': ['list', 'a further host that may open and end an authorization; several as above'],
  'allow-production': ['switch', 'and WECHAT_EMULATOR_IN_PRODUCTION=yes, where NODE_ENV is production']
}

/** Where the emulator is, for the commands that use a running one. */
const WHERE: Record<string, [kind: Kind, help: string]> = {
  url: ['text', 'of the running emulator; default http://127.0.0.1:8788, or the one that holds --data'],
  account: ['text', 'by its name, where it has several']
}

/** Settings that say where an emulator is, and not what it is like. */
const PLACES = new Set(['port', 'host', 'data', 'config', 'url', 'account'])

const flagLine = (name: string, kind: Kind, help: string) => `  ${`--${name}${{ text: ' X', list: ' X', number: ' N', port: ' N', switch: '' }[kind]}`.padEnd(20)} ${help}`.trimEnd()

export const USAGE = `wechat-emulator: WeChat's side of Official Account pages and payments, on this machine

  wechat-emulator [options]                       until Ctrl+C
  wechat-emulator exec [options] -- COMMAND …     runs a command against it: its calls to WeChat's hosts come here.
                                                  Where an emulator is running already, against that one

With a running one:

${Object.entries(VERBS).map(([name, { words, help }]) => `  wechat-emulator ${`${name} ${words}`.trim()}`.padEnd(50) + help).join('\n')}

${Object.entries(SETTINGS).map(([name, [kind, help]]) => flagLine(name, kind, help)).join('\n')}
  --config FILE        a JSON file with the same settings in camel case (default wechat-emulator.json, if there is one),
                       and "accounts": [{ "name": …, "appId": …, "mchId": … }] for more of them
${Object.entries(WHERE).map(([name, [kind, help]]) => flagLine(name, kind, help)).join('\n')}
  --version, --help

Each also by environment: WECHAT_EMULATOR_PORT and so on.`

export interface Settings {
  options: CreateEmulatorOptions
  /** What to run; undefined: only the emulator. */
  command: string[] | undefined
  /** What to do with a running emulator. */
  verb: { name: string, words: string[], flags: Record<string, string | boolean | undefined> } | undefined
  /** Where the running emulator was said to be. */
  url: string | undefined
  account: string | undefined
  /** Flags that describe a new emulator: those that were given. */
  describing: string[]
  help: boolean
  version: boolean
}

/** @throws Error that names the wrong setting */
export function readSettings (args: string[], env: NodeJS.ProcessEnv): Settings {
  const first = args[0] !== undefined && !args[0].startsWith('-') ? args[0] : undefined
  const verb = first === undefined ? undefined : VERBS[first]
  const isExec = first === 'exec'
  if (first !== undefined && !isExec && !verb) throw new Error(`there is no command ${first}${didYouMean(first, ['exec', ...Object.keys(VERBS)])}`)
  const end = isExec ? args.indexOf('--') : -1
  const { values, positionals } = parse((end < 0 ? args : args.slice(0, end)).slice(first === undefined ? 0 : 1), verb?.flags ?? {})
  const help = values.help === true
  if (isExec && !help && (end < 0 || end === args.length - 1)) throw new Error('exec wants a command: wechat-emulator exec -- npm start')
  if (!verb && positionals[0] !== undefined) throw new Error(`there is no use for ${positionals[0]} here${isExec ? ': the command comes after --' : ''}`)

  const file = readFile(values.config as string | undefined ?? env.WECHAT_EMULATOR_CONFIG)
  const options: Record<string, unknown> = { port: 8788, ...(file.accounts !== undefined && { accounts: accountsOf(file.accounts) }) }
  for (const [name, [kind]] of Object.entries(SETTINGS)) {
    const value = values[name] ?? env[`WECHAT_EMULATOR_${name.replaceAll('-', '_').toUpperCase()}`] ?? file[camel(name)]
    if (value !== undefined) options[camel(name)] = checked(name, kind, value)
  }
  options.securePort ??= options.port === 0 ? 0 : 8789
  const { keyMode } = options
  if (keyMode !== undefined && !['public-key', 'certificate', 'both'].includes(keyMode as string)) throw new Error('--key-mode must be public-key, certificate or both')
  if (options.subMerchant !== undefined) options.subMerchants = (options.subMerchant as string[]).map(subMerchantOf)
  delete options.subMerchant
  takeComponent(options)
  return {
    options: options as CreateEmulatorOptions,
    command: isExec && !help ? args.slice(end + 1) : undefined,
    verb: verb && first !== undefined ? { name: first, words: positionals, flags: values as Record<string, string | boolean | undefined> } : undefined,
    // `exec` tells its command where the emulator is.
    url: values.url as string | undefined ?? env.WECHAT_EMULATOR_URL ?? env.WECHAT_EMULATOR_ORIGIN,
    account: values.account as string | undefined ?? env.WECHAT_EMULATOR_ACCOUNT,
    describing: Object.keys(SETTINGS).filter(name => values[name] !== undefined && !PLACES.has(name)),
    help,
    version: values.version === true
  }
}

type Values = Record<string, string | boolean | string[] | undefined>

function parse (args: string[], more: Record<string, [kind: 'text' | 'switch', help: string]>): { values: Values, positionals: string[] } {
  const known = { ...SETTINGS, ...WHERE, config: ['text', ''], ...more } as Record<string, [Kind, string]>
  const options = {
    ...Object.fromEntries(Object.entries(known).map(([name, [kind]]) => [name, { type: kind === 'switch' ? 'boolean' as const : 'string' as const, multiple: kind === 'list' }])),
    help: { type: 'boolean' as const, short: 'h' },
    version: { type: 'boolean' as const, short: 'v' }
  }
  try {
    return parseArgs({ args, options, allowPositionals: true }) as { values: Values, positionals: string[] }
  } catch (error) {
    const { code, message } = error as Error & { code?: string }
    const odd = code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? /'(-[^'\s]*)/.exec(message)?.[1] : undefined
    throw odd === undefined ? error : new Error(`there is no option ${odd}${didYouMean(odd.replace(/^-+/, ''), Object.keys(options), name => `--${name}`)}`)
  }
}

const camel = (name: string) => name.replace(/-(\w)/g, (_all, letter: string) => letter.toUpperCase())

function checked (name: string, kind: Kind, value: unknown): unknown {
  if (kind === 'port') {
    if (value === '' || !Number.isInteger(Number(value)) || Number(value) < 0 || Number(value) > 65_535) throw new Error(`--${name} must be a port: a whole number from 0 to 65535`)
    return Number(value)
  }
  if (kind === 'number') {
    if (value === '' || !(Number(value) >= 0)) throw new Error(`--${name} must be a number`)
    return Number(value)
  }
  if (kind === 'switch') return value === true || value === 'true' || value === 'yes'
  if (kind === 'list') {
    const all = (Array.isArray(value) ? value : [value]).flatMap(one => typeof one === 'string' ? one.split(',').map(part => part.trim()) : [''])
    if (all.includes('')) throw new Error(`--${name} must be a text, or several with commas`)
    return all
  }
  if (typeof value !== 'string' || value === '') throw new Error(`--${name} must be a text`)
  return value
}

function subMerchantOf (text: string): SubMerchant {
  const [, subMchId, subAppId] = /^(\d{1,32})(?::(wx\w+))?$/.exec(text) ?? []
  if (subMchId === undefined) throw new Error('--sub-merchant must be a merchant\'s number, or SUB_MCH_ID:SUB_APP_ID')
  return { subMchId, ...(subAppId !== undefined && { subAppId }) }
}

/** The options of the component, by the settings' names. */
const COMPONENT = { componentUrl: 'url', componentAppId: 'appId', componentAppSecret: 'appSecret', componentToken: 'token', componentAesKey: 'encodingAesKey', componentDomain: 'domains' } as const

/** Its settings are members of one option; any of them is a wish for a component. */
function takeComponent (options: Record<string, unknown>): void {
  const given = Object.entries(COMPONENT).filter(([setting]) => options[setting] !== undefined)
  if (given.length > 0) options.component = Object.fromEntries(given.map(([setting, name]) => [name, options[setting]]))
  for (const setting of Object.keys(COMPONENT)) delete options[setting]
}

function readFile (path: string | undefined): Record<string, unknown> {
  const file = path ?? 'wechat-emulator.json'
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (path === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new Error(`cannot read ${file}: ${(error as Error).message}`)
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`)
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) throw new Error(`${file} must be an object: { "port": 8788 }`)
  const known = [...Object.keys(SETTINGS).map(camel), 'accounts']
  const odd = Object.keys(content).find(name => !known.includes(name))
  if (odd !== undefined) throw new Error(`${file}: there is no setting ${odd}${didYouMean(odd, known)}`)
  return content as Record<string, unknown>
}

/** Members of a further account. */
const ACCOUNT = ['name', 'appId', 'appSecret', 'mchId', 'apiKey', 'apiV3Key', 'keyMode', 'nativeUrl', 'domains', 'subMerchants', 'balance']

function accountsOf (value: unknown): Array<StateOptions & { name: string }> {
  if (!Array.isArray(value)) throw new Error('accounts must be a list')
  for (const [at, account] of (value as unknown[]).entries()) {
    if (typeof account !== 'object' || account === null) throw new Error(`accounts[${at}] must be an object with a name`)
    const odd = Object.keys(account).find(name => !ACCOUNT.includes(name))
    if (odd !== undefined) throw new Error(`accounts[${at}]: there is no setting ${odd}${didYouMean(odd, ACCOUNT)}`)
    const { name } = account as { name?: unknown }
    if (typeof name !== 'string' || name === '') throw new Error(`accounts[${at}] has no name: it says under which path the account lives`)
  }
  return value as Array<StateOptions & { name: string }>
}
