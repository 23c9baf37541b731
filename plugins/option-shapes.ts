/**
 * The type of every plugin option. Which options are required, and whether keys belong together, is checked
 * where they are used. Add a new option to its type and to this table; a missing entry does not compile.
 */
import { CORE, LONGEST_TIMER } from '../src/option-shapes.ts'
import { pageHost } from '../src/official-account/jssdk.ts'
import { above0, anyObject, anything, either, flag, handler, integer, list, number, object, oneOf, shape, text } from '../src/shapes.ts'
import type { Shape, Shapes, ShapesOf } from '../src/shapes.ts'
import { keyBytes } from '../src/store/encrypted.ts'
import { scriptRunner } from '../src/store/redis-client.ts'
import type { AccountsChoice } from './accounts.ts'
import type { CommonOptions } from './common.ts'
import type { JssdkOptions } from './jssdk.ts'
import type { MiniProgramPluginOptions } from './mini-program.ts'
import type { NotifyOptions } from './notify.ts'
import type { OAuthOptions } from './oauth.ts'
import type { OpenPlatformOptions } from './open-platform.ts'
import type { PayPluginOptions } from './pay.ts'
import type { ReconcileOptions } from './reconcile.ts'
import type { TokenOptions } from './token.ts'

/** Seconds. */
const DAY = 86_400

const path = shape(value => typeof value === 'string' && /^\/(?![/\\])[^\\\s]*$/.test(value), '')
const httpUrl = shape(value => typeof value === 'string' && /^https?:\/\/[^\s]+$/.test(value) && URL.canParse(value), '')

export const origin = shape(value => {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  // URL parsing accepts blanks and missing slashes, which a redirect_uri must not have.
  return url !== undefined && /^https?:\/\/[^/\s]+\/?$/.test(value as string) && url.pathname === '/' && !url.search && !url.hash && !url.username && !url.password
}, 'must be scheme and host, such as https://shop.example.com, without path and query (use prefix for a path)')

const host = shape(value => typeof value === 'string' && pageHost(`https://${value}`) === value.toLowerCase(), 'must be a host such as shop.example.com, with its port if it has one: no scheme, path or wildcard')

const ACCOUNTS = {
  find: handler,
  of: handler,
  ofNotification: handler,
  max: integer('a whole number', 1, 10_000_000),
  maxAge: above0('a number of seconds', DAY)
} satisfies ShapesOf<AccountsChoice>

const COMMON = {
  appId: anything,
  endpoints: CORE.endpoints,
  accounts: object(ACCOUNTS),
  redis: scriptRunner as Shape,
  encryptionKey: keyBytes,
  http: CORE.http,
  prefix: shape(value => value === '' || (typeof value === 'string' && /^\/[^?#\s]*$/.test(value)), 'must be a path that starts with /'),
  preHandler: (value, option) => { (Array.isArray(value) ? list(handler) : handler)(value, option) },
  routeConfig: anyObject,
  namespace: shape(value => typeof value === 'string' && /^[a-z0-9][\w-]{0,63}$/i.test(value), 'must consist of letters, digits, _ and -, because it becomes part of a path'),
  logLevel: text,
  logSerializers: anyObject
} satisfies ShapesOf<CommonOptions>

const TOKEN = {
  ...COMMON,
  appSecret: anything,
  tokenMode: CORE.tokenMode,
  tokenProvider: handler,
  ticketProvider: handler
} satisfies ShapesOf<TokenOptions>

const OAUTH = {
  ...COMMON,
  appSecret: anything,
  component: CORE.component,
  onLogin: handler,
  onSnapshotUser: handler,
  onRefuse: handler,
  scope: oneOf('snsapi_base', 'snsapi_userinfo'),
  origin,
  defaultReturnTo: either('must be a path of this site that starts with /, or an absolute http(s) URL', path, httpUrl),
  secureCookie: flag
} satisfies ShapesOf<OAuthOptions>

const JSSDK = {
  ...TOKEN,
  allowedHosts: (value, option) => {
    if (typeof value === 'function') return
    shape(Array.isArray, 'must be a list of hosts, or a function')(value, option)
    list(host)(value, option)
  },
  jsApiList: list(text),
  openTagList: list(text),
  debug: flag
} satisfies ShapesOf<JssdkOptions>

const MINI_PROGRAM = {
  ...TOKEN,
  sessionProvider: handler,
  merchant: CORE.merchant,
  onLogin: handler,
  onMiniProgramLogin: handler
} satisfies ShapesOf<MiniProgramPluginOptions>

const PAY = { ...COMMON, merchant: CORE.merchant, version: CORE.version, order: handler, product: handler } satisfies ShapesOf<PayPluginOptions>

const NOTIFY = {
  ...COMMON,
  merchant: CORE.merchant,
  onPayment: handler,
  onRefund: handler,
  expected: handler,
  onMismatch: handler,
  handlerTimeout: number('a number of milliseconds', 1, 5000),
  handlerLimit: number('a number of milliseconds', 1, DAY * 1000),
  remember: above0('a number of seconds', 366 * DAY),
  storeAway: oneOf('refuse', 'process')
} satisfies ShapesOf<NotifyOptions>

const RECONCILE = {
  ...PAY,
  ...NOTIFY,
  unfinished: handler,
  every: number('a number of seconds', 0, Math.floor(LONGEST_TIMER / 1000)),
  rate: above0('a number of queries a second', 1000),
  onReport: handler
} satisfies ShapesOf<ReconcileOptions>

const ALL: Shapes = { ...OAUTH, ...JSSDK, ...MINI_PROGRAM, ...RECONCILE }

const { endpoints, redis, encryptionKey, http, prefix, preHandler, routeConfig, logLevel, logSerializers } = COMMON

/** Of the platform's plugin, which takes no account's options. */
export const OPEN_PLATFORM = {
  endpoints,
  redis,
  encryptionKey,
  http,
  prefix,
  preHandler,
  routeConfig,
  logLevel,
  logSerializers,
  componentAppId: anything,
  componentAppSecret: anything,
  token: anything,
  encodingAesKey: anything,
  onAuthorized: handler,
  refreshTokenOf: handler,
  onUnauthorized: handler,
  onReturn: handler,
  authType: integer('1 (Official Accounts), 2 (mini programs) or 3 (both): a whole number', 1, 3),
  origin,
  defaultReturnTo: OAUTH.defaultReturnTo,
  secureCookie: flag
} satisfies ShapesOf<OpenPlatformOptions>

/** The options that each plugin checks. */
export const OPTIONS = { token: TOKEN, oauth: OAUTH, jssdk: JSSDK, miniProgram: MINI_PROGRAM, pay: PAY, notify: NOTIFY, reconcile: RECONCILE, wechatPay: ALL } satisfies Record<string, Shapes>
