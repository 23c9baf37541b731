/** What is checked: the options of `app.register(wechatPay, …)`, and state that the checks share. */
import type { OAuthScope } from '../official-account/oauth.ts'
import { createHttp } from '../http/http.ts'
import type { ClientCertificate, Http, HttpOptions } from '../http/http.ts'
import { resolveEndpoints } from '../options.ts'
import type { Endpoints } from '../options.ts'
import type { Merchant } from '../pay/merchant.ts'
import type { RedisClient } from '../store/redis.ts'
import type { Lang } from './check.ts'

type Handler = (...args: never[]) => unknown

/** The options of `app.register(wechatPay, …)` that can be checked. All are optional: a missing one is not checked. */
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

/** Settings of the doctor, and facts that the options do not contain. */
export interface DiagnoseSettings {
  /** Run only checks that do not need the network. */
  offline?: boolean
  /** Language of messages and advice. Default `en`. */
  lang?: Lang
  /** Key files by their name in messages, to check their permissions. */
  files?: Readonly<Record<string, string>>
  /** Milliseconds that your process manager allows between SIGTERM and SIGKILL. */
  shutdownTime?: number
  /** How many processes share the account. Default: from NODE_APP_INSTANCE and WEB_CONCURRENCY. */
  processes?: number
  /** PEM: further authorities to trust for `notifyUrl` and `origin`. Only for staging: WeChat does not trust them. */
  ca?: string | readonly string[]
  /** Default `process.env`. */
  env?: Readonly<Record<string, string | undefined>>
  /** Called for each finished check. */
  onProgress?: (progress: { done: number, total: number, id: string }) => void
}

export interface CheckContext {
  options: DiagnoseOptions
  settings: DiagnoseSettings
  env: Readonly<Record<string, string | undefined>>
  /** Undefined if `endpoints` is malformed, which `server.endpoints` reports. */
  endpoints: Required<Endpoints>
  endpointsProblem: unknown
  /** The HTTP client for WeChat. */
  http: Http
  /** The same, with the merchant's client certificate. */
  httpWith (certificate: ClientCertificate): Http
  /** Created once, shared by all checks. */
  fact<T> (name: string, load: () => Promise<T>): Promise<T>
  /** Redacts a value from all output. */
  hide (secret: unknown): void
  secrets: ReadonlySet<string>
}

export function createContext (options: DiagnoseOptions, settings: DiagnoseSettings): CheckContext {
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
    // Each line of a PEM text separately, because parsers quote lines. Shorter values would blank out ordinary words; no WeChat secret is that short.
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
    fact<T> (name: string, load: () => Promise<T>) {
      let known = facts.get(name)
      if (!known) facts.set(name, known = load())
      return known as Promise<T>
    },
    hide,
    secrets
  }
}
