/** Who is examined: the options of `app.register(wechatPay, …)`, and what the checks have learned together. */
import type { OAuthScope } from '../official-account/oauth.ts'
import { createHttp } from '../http/http.ts'
import type { ClientCertificate, Http, HttpOptions } from '../http/http.ts'
import { resolveEndpoints } from '../options.ts'
import type { Endpoints } from '../options.ts'
import type { Merchant } from '../pay/merchant.ts'
import type { RedisClient } from '../store/redis.ts'
import type { Lang } from './check.ts'

type Handler = (...args: never[]) => unknown

/** The options of `app.register(wechatPay, …)`, as far as they can be examined. All are optional: what is not there is not looked at. */
export interface DiagnoseOptions {
  appId?: string
  appSecret?: string
  tokenMode?: 'stable' | 'plain'
  merchant?: Merchant
  version?: 'v2' | 'v3'
  endpoints?: Endpoints
  http?: HttpOptions
  redis?: RedisClient
  encryptionKey?: string | Uint8Array
  /** Where browsers reach the server. */
  origin?: string
  prefix?: string
  scope?: OAuthScope
  /** Milliseconds. */
  handlerTimeout?: number
  onLogin?: Handler
  onPayment?: Handler
  onRefund?: Handler
  expected?: Handler
  order?: Handler
  unfinished?: Handler
}

/** How to examine, and what the options do not tell. */
export interface DiagnoseSettings {
  /** Only what can be seen without the network. */
  offline?: boolean
  /** Language of messages and advice. Default `en`. */
  lang?: Lang
  /** Key files by what they are called in messages, to look at who may read them. */
  files?: Readonly<Record<string, string>>
  /** Milliseconds between SIGTERM and the end, as your process manager grants them. */
  shutdownTime?: number
  /** How many processes share the account. Default: what NODE_APP_INSTANCE and WEB_CONCURRENCY tell. */
  processes?: number
  /** PEM: authorities besides the usual ones that vouch for `notifyUrl` and `origin`. Only for a staging machine: WeChat trusts none of them. */
  ca?: string | readonly string[]
  /** Default `process.env`. */
  env?: Readonly<Record<string, string | undefined>>
  /** Hears of each check that is done. */
  onProgress?: (progress: { done: number, total: number, id: string }) => void
}

export interface Patient {
  options: DiagnoseOptions
  settings: DiagnoseSettings
  env: Readonly<Record<string, string | undefined>>
  /** Undefined while `endpoints` is malformed, of which `server.endpoints` tells. */
  endpoints: Required<Endpoints>
  endpointsProblem: unknown
  /** The way out that WeChat is asked by. */
  http: Http
  /** The same, showing the merchant's client certificate. */
  httpWith (certificate: ClientCertificate): Http
  /** Made once, however many checks ask for it. */
  fact<T> (name: string, learn: () => Promise<T>): Promise<T>
  /** Keeps a value out of everything that is said. */
  hide (secret: unknown): void
  secrets: ReadonlySet<string>
}

export function createPatient (options: DiagnoseOptions, settings: DiagnoseSettings): Patient {
  const secrets = new Set<string>()
  const facts = new Map<string, Promise<unknown>>()
  let endpointsProblem: unknown
  let endpoints = resolveEndpoints()
  try {
    endpoints = resolveEndpoints(options.endpoints)
  } catch (error) {
    endpointsProblem = error
  }

  function hide (secret: unknown): void {
    if (Array.isArray(secret)) return secret.forEach(hide)
    const text = secret instanceof Uint8Array ? Buffer.from(secret).toString() : secret
    if (typeof text !== 'string') return
    // Of a PEM text each line by itself: parsers quote lines. Shorter ones would blank out ordinary words; no secret of WeChat's is that short.
    for (const line of text.split(/\s*\n\s*/)) if (line.length >= 8 && !line.startsWith('-----')) secrets.add(line)
  }

  const { appSecret, encryptionKey, merchant: { v2, v3 } = {} } = options
  for (const secret of [appSecret, encryptionKey, v2?.apiKey, v2?.passphrase, v2?.key, v3?.apiV3Key, v3?.privateKey]) hide(secret)

  return {
    options,
    settings,
    env: settings.env ?? process.env,
    endpoints,
    endpointsProblem,
    http: createHttp(options.http),
    httpWith: certificate => createHttp(options.http, certificate),
    fact<T> (name: string, learn: () => Promise<T>) {
      let known = facts.get(name)
      if (!known) facts.set(name, known = learn())
      return known as Promise<T>
    },
    hide,
    secrets
  }
}
