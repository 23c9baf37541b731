/** The command's settings from flags, and the configuration from a file or from the shop example's environment variables. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { DiagnoseOptions, DiagnoseSettings } from '../../src/doctor/context.ts'
import type { Lang } from '../../src/doctor/check.ts'
import type { RedisClient } from '../../src/store/redis.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface Settings {
  options: DiagnoseOptions
  settings: DiagnoseSettings
  lang: Lang
  json: boolean
  help: boolean
  color: boolean
}

/** @throws Error naming what could not be read */
export async function readSettings (args: string[], env: Environment, isTerminal: boolean | undefined): Promise<Settings> {
  const { values } = parseArgs({
    args,
    options: { config: { type: 'string' }, offline: { type: 'boolean' }, json: { type: 'boolean' }, lang: { type: 'string' }, help: { type: 'boolean', short: 'h' } }
  })
  const { config, offline = false, json = false, help = false } = values
  if (values.lang !== undefined && values.lang !== 'en' && values.lang !== 'zh') throw new Error('--lang must be en or zh')
  const lang = values.lang ?? languageOf(env)
  const color = isTerminal === true && !env.NO_COLOR && env.TERM !== 'dumb'
  const { options, settings } = help ? { options: {}, settings: {} } : config === undefined ? await fromEnvironment(env, offline) : await fromFile(config)
  return { options, settings: { ...settings, offline, lang, env }, lang, json, help, color }
}

function languageOf (env: Environment): Lang {
  const locale = env.LC_ALL || env.LC_MESSAGES || env.LANG || Intl.DateTimeFormat().resolvedOptions().locale
  return /^zh/i.test(locale) ? 'zh' : 'en'
}

interface Configured { options: DiagnoseOptions, settings: DiagnoseSettings }

async function fromFile (file: string): Promise<Configured> {
  let module: { default?: unknown, options?: unknown, doctor?: unknown }
  try {
    module = await import(pathToFileURL(resolve(file)).href)
  } catch (error) {
    throw new Error(`cannot read ${file}: ${(error as Error).message}`)
  }
  const exported = module.default ?? module.options
  const options: unknown = typeof exported === 'function' ? await exported() : exported
  if (options === null || typeof options !== 'object') throw new Error(`${file} must export the options of app.register(wechatPay, …): as the default export or as "options"`)
  // The checks report connection errors; without a listener the client would print them.
  const { redis } = options as { redis?: { on?: (event: string, listener: () => void) => void } }
  redis?.on?.('error', () => {})
  return { options, settings: (module.doctor ?? {}) as DiagnoseSettings }
}

/** The key files, and which of them must not be readable by others. */
const KEY_FILES = { key: 'apiclient_key.pem', cert: 'apiclient_cert.pem', publicKey: 'pub_key.pem', pfx: 'apiclient_cert.p12' } as const

async function fromEnvironment (env: Environment, offline: boolean): Promise<Configured> {
  const { WECHAT_APP_ID: appId, WECHAT_APP_SECRET: appSecret, WECHAT_MCH_ID: mchId, WECHAT_API_KEY: apiKey, WECHAT_API_V3_KEY: apiV3Key, WECHAT_PUBLIC_KEY_ID: publicKeyId, WECHAT_SERIAL_NO: serialNo, WECHAT_KEYS: folder, ORIGIN: origin, REDIS_URL: redisUrl } = env
  if (!appId && !mchId) throw new Error('nothing to check: set WECHAT_APP_ID, WECHAT_MCH_ID and so on (--help lists them), or pass --config FILE.mjs')
  const files = Object.fromEntries(folder ? Object.values(KEY_FILES).map(name => [name, join(folder, name)]).filter(([, path]) => existsSync(path as string)) : []) as Record<string, string>
  const read = (name: string) => files[name] === undefined ? undefined : readFileSync(files[name])
  const [key, cert, publicKey] = [read(KEY_FILES.key), read(KEY_FILES.cert), read(KEY_FILES.publicKey)]
  const hasV3 = Boolean(apiV3Key) || !apiKey
  const options: DiagnoseOptions = {
    // An unset variable is a missing option.
    appId: appId ?? '',
    appSecret: appSecret ?? '',
    ...(origin && { origin }),
    ...((mchId || apiKey || apiV3Key) && {
      merchant: {
        mchId: mchId ?? '',
        ...(origin && { notifyUrl: `${origin.replace(/\/+$/, '')}/wechat/notify` }),
        ...(apiKey && { v2: { apiKey, ...(key && cert && { key, cert }) } }),
        ...(hasV3 && {
          v3: {
            apiV3Key: apiV3Key ?? '',
            privateKey: key ?? '',
            ...(cert && { certificate: cert }),
            ...(serialNo && { serialNo }),
            ...(publicKeyId && { publicKeyId, publicKey: publicKey ?? '' })
          }
        })
      }
    }),
    ...(redisUrl && !offline && { redis: await redisAt(redisUrl) })
  }
  return { options, settings: { files } }
}

/** Uses the ioredis of the project in which the command runs. */
async function redisAt (url: string): Promise<RedisClient> {
  let found: string
  try {
    found = createRequire(join(process.cwd(), 'package.json')).resolve('ioredis')
  } catch {
    throw new Error('REDIS_URL is set, but ioredis is not installed here: run this in your project, or unset REDIS_URL')
  }
  const { Redis } = await import(pathToFileURL(found).href) as typeof import('ioredis')
  const client = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 3000 })
  // The checks report errors.
  client.on('error', () => {})
  return client
}
