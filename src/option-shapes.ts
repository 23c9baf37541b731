/** The type of every core option. Which options are required, and whether keys belong together, is checked where they are used. */
import { X509Certificate } from 'node:crypto'
import type { HttpOptions } from './http/http.ts'
import type { MiniProgramOptions } from './mini-program/mini-program.ts'
import type { AccessTokenOptions } from './official-account/access-token.ts'
import type { OAuthAccountOptions } from './official-account/oauth.ts'
import type { Endpoints } from './options.ts'
import type { Merchant, MerchantV2, MerchantV3 } from './pay/merchant.ts'
import type { PayOptions } from './pay/pay.ts'
import { isRemote } from './pay/v3/sign.ts'
import { anyObject, anything, checkOptions, content, either, flag, handler, integer, list, number, object, oneOf, shape, text } from './shapes.ts'
import type { ShapesOf } from './shapes.ts'

/** The longest delay of a Node.js timer in milliseconds; anything longer becomes one millisecond. */
export const LONGEST_TIMER = 2 ** 31 - 1

const baseUrl = shape(value => {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username
}, 'must be an absolute http(s) base URL')

const certificates = shape(value => {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) return false
  const found = Buffer.from(value as string).toString().match(/-----BEGIN (?:X509 )?CERTIFICATE-----[^-]*-----END[^-]*-----/g) ?? []
  try {
    return found.map(pem => new X509Certificate(pem)).length > 0
  } catch {
    return false
  }
}, 'must be certificates in PEM')

const proxyUrl = shape(value => typeof value === 'string' && /^https?:\/\/[^/]/.test(value) && URL.canParse(value), '')

export const ENDPOINTS = {
  api: baseUrl,
  open: baseUrl,
  mp: baseUrl,
  pay: baseUrl,
  payBackup: baseUrl
} satisfies ShapesOf<Endpoints>

export const HTTP = {
  timeout: number('a number of milliseconds', 1, LONGEST_TIMER),
  retries: integer('a whole number', 0, 100),
  dispatcher: shape(value => typeof (value as { dispatch?: unknown } | null)?.dispatch === 'function', 'must be an undici dispatcher'),
  ca: (value, option) => { (Array.isArray(value) ? list(certificates) : certificates)(value, option) },
  proxy: either('must be the http(s) URL of a proxy, or \'env\'', proxyUrl, oneOf('env'), anyObject),
  connections: integer('a whole number', 1, 100_000)
} satisfies ShapesOf<HttpOptions>

export const MERCHANT_V2 = {
  apiKey: anything,
  signType: oneOf('MD5', 'HMAC-SHA256'),
  sandbox: flag,
  pfx: shape(value => value instanceof Uint8Array, 'must be the bytes of apiclient_cert.p12 (a Buffer)'),
  passphrase: shape(value => typeof value === 'string', 'must be a string'),
  cert: content,
  key: content
} satisfies ShapesOf<MerchantV2>

export const MERCHANT_V3 = {
  privateKey: either('must be a PEM text, its bytes, or { serialNo, sign } for a key in a KMS or HSM', content, shape(isRemote, '')),
  serialNo: text,
  certificate: content,
  apiV3Key: anything,
  publicKeyId: text,
  publicKey: content,
  publicKeys: list(object({ id: text, key: content }))
} satisfies ShapesOf<MerchantV3>

export const MERCHANT = {
  mchId: anything,
  notifyUrl: shape(value => typeof value === 'string' && /^https?:\/\/[^?#]+$/.test(value) && URL.canParse(value), 'must be an absolute http(s) URL without query'),
  appIds: list(text),
  subMchId: text,
  subAppId: text,
  v2: object(MERCHANT_V2),
  v3: object(MERCHANT_V3)
} satisfies ShapesOf<Merchant>

const isComponent = (value: unknown): boolean => {
  const { appId, get, key } = (value ?? {}) as Record<string, unknown>
  return typeof appId === 'string' && typeof get === 'function' && typeof key === 'function'
}

/** All options of `createAccessToken`, `createOAuth`, `createMiniProgram` and `createPay`: one object may serve all. */
export const CORE = {
  appId: anything,
  appSecret: anything,
  endpoints: object(ENDPOINTS),
  http: object(HTTP),
  tokenMode: oneOf('stable', 'plain'),
  tokenProvider: handler,
  ticketProvider: handler,
  sessionProvider: handler,
  component: shape(isComponent, 'must be the component of app.wechatOpenPlatform.authorizer(appId)'),
  merchant: object(MERCHANT),
  version: oneOf('v2', 'v3'),
  store: shape(value => typeof (value as { acquire?: unknown } | null)?.acquire === 'function', 'must be a store, created with createRedisStore() or createMemoryStore()'),
  clock: anyObject,
  log: anyObject
} satisfies ShapesOf<AccessTokenOptions & OAuthAccountOptions & MiniProgramOptions & PayOptions>

/** @throws WechatConfigError */
export const checkCoreOptions = (options: object): void => checkOptions(options, CORE)

/** Picks the core's options from an object that has more. */
export function coreOptions<T extends object> (options: T): Pick<T, keyof T & keyof typeof CORE> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(CORE, name))) as Pick<T, keyof T & keyof typeof CORE>
}
