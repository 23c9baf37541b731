/** What the command is told: by flag, by environment, by file, in this order. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { CreateEmulatorOptions } from '../server/emulator.ts'
import type { WorldOptions } from '../state/world.ts'

type Kind = 'text' | 'count' | 'switch'

/** Each setting: as a flag `--app-id`, as `WECHAT_EMULATOR_APP_ID`, and as `appId` in the file. */
const SETTINGS: Record<string, [kind: Kind, help: string]> = {
  port: ['count', 'default 8788; 0 takes a free one'],
  'secure-port': ['count', 'where TLS listens, for payments and for WeChat\'s own host names; default 8789 (free where --port is). 443 with a hosts entry'],
  host: ['text', 'default 127.0.0.1: only this machine'],
  data: ['text', 'a folder: accounts, keys and orders are kept there, and PEM files for other SDKs'],
  seed: ['text', 'makes account, ids and nonces repeatable (keys never are)'],
  'time-scale': ['count', 'multiplies the delays between notifications; 0.01 makes minutes of hours'],
  'app-id': ['text', 'the account; made up where not given'],
  'app-secret': ['text', ''],
  'mch-id': ['text', ''],
  'api-key': ['text', 'of v2'],
  'api-v3-key': ['text', ''],
  'key-mode': ['text', 'of v3: public-key (default), certificate or both'],
  'native-url': ['text', 'where WeChat asks for the order of a NATIVE code of mode 1'],
  'allow-production': ['switch', 'and WECHAT_EMULATOR_IN_PRODUCTION=yes, where NODE_ENV is production']
}

export const USAGE = `wechat-emulator: WeChat's side of Official Account pages and payments, on this machine

  wechat-emulator [options]                       until Ctrl+C
  wechat-emulator exec [options] -- COMMAND …     runs a command against it: its calls to WeChat's hosts come here

${Object.entries(SETTINGS).map(([name, [kind, help]]) => `  ${`--${name}${{ text: ' X', count: ' N', switch: '' }[kind]}`.padEnd(20)} ${help}`.trimEnd()).join('\n')}
  --config FILE        a JSON file with the same settings in camel case (default wechat-emulator.json, if there is one),
                       and "accounts": [{ "name": …, "appId": …, "mchId": … }] for more of them

Each also by environment: WECHAT_EMULATOR_PORT and so on.`

export interface Settings {
  options: CreateEmulatorOptions
  /** What to run; undefined: only the emulator. */
  command: string[] | undefined
  help: boolean
}

/** @throws Error that names the wrong setting */
export function readSettings (args: string[], env: NodeJS.ProcessEnv): Settings {
  const end = args.indexOf('--')
  const isExec = args[0] === 'exec'
  if (isExec && (end < 0 || end === args.length - 1)) throw new Error('exec wants a command: wechat-emulator exec -- npm start')
  const { values } = parseArgs({
    args: (end < 0 ? args : args.slice(0, end)).slice(isExec ? 1 : 0),
    options: {
      ...Object.fromEntries(Object.entries(SETTINGS).map(([name, [kind]]) => [name, { type: kind === 'switch' ? 'boolean' as const : 'string' as const }])),
      config: { type: 'string' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  const given = values as Record<string, string | boolean | undefined>
  const file = readFile(given.config as string | undefined ?? env.WECHAT_EMULATOR_CONFIG)
  const options: Record<string, unknown> = { port: 8788, ...(file.accounts !== undefined && { accounts: accountsOf(file.accounts) }) }
  for (const [name, [kind]] of Object.entries(SETTINGS)) {
    const value = given[name] ?? env[`WECHAT_EMULATOR_${name.replaceAll('-', '_').toUpperCase()}`] ?? file[camel(name)]
    if (value !== undefined) options[camel(name)] = checked(name, kind, value)
  }
  options.securePort ??= options.port === 0 ? 0 : 8789
  const { keyMode } = options
  if (keyMode !== undefined && !['public-key', 'certificate', 'both'].includes(keyMode as string)) throw new Error('--key-mode must be public-key, certificate or both')
  return { options: options as CreateEmulatorOptions, command: isExec ? args.slice(end + 1) : undefined, help: given.help === true }
}

const camel = (name: string) => name.replace(/-(\w)/g, (_all, letter: string) => letter.toUpperCase())

function checked (name: string, kind: Kind, value: unknown): unknown {
  if (kind === 'count') {
    if (value === '' || !(Number(value) >= 0)) throw new Error(`--${name} must be a number`)
    return Number(value)
  }
  if (kind === 'switch') return value === true || value === 'true' || value === 'yes'
  if (typeof value !== 'string' || value === '') throw new Error(`--${name} must be a text`)
  return value
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
  const known = new Set([...Object.keys(SETTINGS).map(camel), 'accounts'])
  const odd = Object.keys(content as object).find(name => !known.has(name))
  if (odd !== undefined) throw new Error(`${file}: there is no setting ${odd}`)
  return content as Record<string, unknown>
}

/** Members of a further account. */
const ACCOUNT = ['name', 'appId', 'appSecret', 'mchId', 'apiKey', 'apiV3Key', 'keyMode', 'nativeUrl', 'domains', 'subMerchants', 'balance']

function accountsOf (value: unknown): Array<WorldOptions & { name: string }> {
  if (!Array.isArray(value)) throw new Error('accounts must be a list')
  for (const account of value as object[]) {
    const odd = Object.keys(account).find(name => !ACCOUNT.includes(name))
    if (odd !== undefined) throw new Error(`accounts: there is no setting ${odd}`)
  }
  return value as Array<WorldOptions & { name: string }>
}
