/** What every piece of the package understands, and the few steps that all of them take. */
import cluster from 'node:cluster'
import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RegisterOptions, preHandlerAsyncHookHandler } from 'fastify'
import { WechatConfigError } from '../src/errors.ts'
import { CORE } from '../src/option-shapes.ts'
import { checkOptions } from '../src/shapes.ts'
import { createEncryptedStore } from '../src/store/encrypted.ts'
import { createMemoryStore } from '../src/store/memory.ts'
import { createRedisStore } from '../src/store/redis.ts'
import type { RedisClient } from '../src/store/redis-client.ts'
import type { Endpoints } from '../src/options.ts'
import type { HttpOptions } from '../src/http/http.ts'
import type { Store } from '../src/store/store.ts'
import type { TokenProvider } from '../src/official-account/access-token.ts'
import type { AccountComponent } from '../src/official-account/oauth.ts'
import { accountIn } from './accounts.ts'
import type { AccountsChoice } from './accounts.ts'
import type { Namespaced } from './namespaces.ts'
import { OPTIONS } from './option-shapes.ts'
import { forVisitors } from './visitors.ts'

export interface CommonOptions {
  appId: string
  /** Stands in the place of `appId` and all else that is one account's. */
  accounts?: undefined
  /** WeChat's hosts; leave out in production, point them at the emulator in development. */
  endpoints?: Endpoints
  /** A client or cluster of ioredis (`app.redis`) or of the package `redis`, shared by all processes. Default: the memory of this process. */
  redis?: RedisClient
  /** Encrypts tokens, tickets, logins and certificates in Redis: 32 random bytes, as a Buffer or as their hex or base64, the same in all processes. */
  encryptionKey?: string | Uint8Array
  /** Time-out and retries of calls to WeChat. */
  http?: HttpOptions
  /** Where the routes live. Default `/wechat`, or `/wechat/<namespace>`; with `accounts`, as a rule, `/wechat/:account`. */
  prefix?: string
  /** The host's own say on every route of this piece, before anything is done: a session, a quota. */
  preHandler?: PreHandler | PreHandler[]
  /** `config` of every route of this piece, such as `{ rateLimit: { max: 20, timeWindow: '1 minute' } }` for @fastify/rate-limit. */
  routeConfig?: FastifyContextConfig & Record<string, unknown>
  /** A second account in the same scope: its decorators are members of that name, as with @fastify/redis. */
  namespace?: string
  /** Of this piece's routes, as Fastify's own of `register`. */
  logLevel?: RegisterOptions['logLevel']
  logSerializers?: RegisterOptions['logSerializers']
}

/** What is an account's own, and no matter of routes. */
type OfAccount = 'appId' | 'appSecret' | 'tokenMode' | 'tokenProvider' | 'ticketProvider' | 'component' | 'merchant' | 'version' | 'endpoints' | 'http'

/** The options `T` of a piece, for accounts that come and go instead of one. */
export type WithAccounts<T> = Omit<T, OfAccount | 'accounts'> & { [Name in OfAccount]?: undefined } & { accounts: AccountsChoice }

/** The options `T` of a piece, with tokens from elsewhere instead of a secret. */
export type WithProvider<T> = Omit<T, 'appSecret'> & { appSecret?: string, tokenProvider: TokenProvider }

/** The options `T` of a piece, for an account that has authorized a third-party platform: without a secret. */
export type WithComponent<T> = Omit<T, 'appSecret' | 'component'> & { appSecret?: string, component: AccountComponent }

/** What all pieces take to find their accounts. */
export type AnyAccounts = Omit<CommonOptions, OfAccount | 'accounts'> & { [Name in OfAccount]?: unknown } & { accounts?: AccountsChoice | undefined }

/** Return `reply` if you have answered. */
type PreHandler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

export type { Namespaced }

/**
 * What is unknown or of a wrong form stops registration. One object of options may serve several pieces: each knows the
 * names of all, and looks at its own.
 * @throws WechatConfigError naming the option, never its value
 */
export function checkPluginOptions (app: FastifyInstance, piece: keyof typeof OPTIONS, options: AnyAccounts): void {
  checkOptions(options, OPTIONS[piece], '', OPTIONS.wechatPay)
  if (options.accounts) {
    const ofOne = Object.entries(options).find(([name, value]) => value !== undefined && Object.hasOwn(CORE, name))?.[0]
    if (ofOne) throw new WechatConfigError(ofOne, 'is one account\'s: beside accounts, it belongs into what accounts.find gives')
  }
  warnOfPlainHttp(app, options.endpoints as Endpoints | undefined)
}

export function warnOfPlainHttp (app: FastifyInstance, endpoints: Endpoints = {}): void {
  if (process.env.NODE_ENV !== 'production' || warned.has(app.server)) return
  const plain = Object.entries(endpoints).filter(([, base]) => /^http:/i.test(base)).map(([name]) => `endpoints.${name}`)
  if (plain.length === 0) return
  warned.add(app.server)
  app.log.warn(`fastify-wechat-pay: ${plain.join(', ')} go over plain http with NODE_ENV=production: whoever is on the way reads your secrets. If that is the emulator, it was forgotten`)
}

const warned = new WeakSet<object>()

/** For `register`: where the routes of a piece live, and how they log. */
export function scopeOf (options: Pick<CommonOptions, 'prefix' | 'namespace' | 'logLevel' | 'logSerializers'>): RegisterOptions {
  const { logLevel, logSerializers } = options
  return { prefix: prefixOf(options), ...(logLevel !== undefined && { logLevel }), ...(logSerializers && { logSerializers }) }
}

export function prefixOf ({ prefix, namespace }: Pick<CommonOptions, 'prefix' | 'namespace'>): string {
  return prefix?.replace(/\/+$/, '') ?? (namespace === undefined ? '/wechat' : `/wechat/${namespace}`)
}

export function storeOf (app: FastifyInstance, { redis, encryptionKey }: Pick<CommonOptions, 'redis' | 'encryptionKey'>): Store {
  if (redis !== undefined) {
    const store = createRedisStore(redis)
    return encryptionKey === undefined ? store : createEncryptedStore(store, encryptionKey)
  }
  const shared = memories.get(app.server)
  if (shared) return shared
  if (runsBesideOthers()) {
    app.log.warn('fastify-wechat-pay: several processes but no redis option: each keeps its own tokens and handled notifications, and they kill each other\'s')
  }
  const memory = createMemoryStore()
  memories.set(app.server, memory)
  return memory
}

/** One for all pieces of a server, as one Redis would be: what one of them knows, the others need not fetch. */
const memories = new WeakMap<object, Store>()

/** node:cluster, pm2, or a platform that says how many processes it starts. */
function runsBesideOthers (): boolean {
  const { NODE_APP_INSTANCE, WEB_CONCURRENCY } = process.env
  return cluster.isWorker || NODE_APP_INSTANCE !== undefined || Number(WEB_CONCURRENCY) > 1
}

/**
 * What all routes have: the host's say, a schema that describes (@fastify/swagger shows it) but leaves the checking to us,
 * whose errors say more, and errors that tell visitors no more than is theirs; what they become then is up to the host's handler.
 */
export function routeOf ({ preHandler, routeConfig, accounts }: Pick<AnyAccounts, 'preHandler' | 'routeConfig' | 'accounts'>, schema: FastifySchema) {
  return {
    schema,
    validatorCompiler: () => () => true,
    errorHandler (error: unknown, request: FastifyRequest) {
      const account = accounts && accountIn(request)
      if (account && error instanceof WechatConfigError) request.log.error({ err: error, account: account.id }, 'fastify-wechat-pay: the options of an account are wrong')
      throw forVisitors(error)
    },
    ...(preHandler && { preHandler: preHandler as preHandlerAsyncHookHandler | preHandlerAsyncHookHandler[] }),
    ...(routeConfig && { config: routeConfig })
  }
}

/** An onSend hook: the answer is for this visitor and this moment only. */
export async function noStore (_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.header('cache-control', 'no-store')
}

type Decorator = 'wechatAccounts' | 'wechatToken' | 'wechatOAuth' | 'wechatJssdk' | 'wechatPay' | 'wechatNotify' | 'wechatReconcile'

/** Decorates the app, or adds a named account to the decorator that is there. */
export function expose (app: FastifyInstance, name: Decorator, value: object, namespace: string | undefined): void {
  if (namespace === undefined) {
    app.decorate(name, value as never)
    return
  }
  if (!app.hasDecorator(name)) app.decorate(name, {} as never)
  const accounts = app.getDecorator<Record<string, object>>(name)
  if (namespace in accounts) throw new WechatConfigError('namespace', `is used twice for ${name}`)
  accounts[namespace] = value
}

/** The decorator that `expose` made, if there is one. */
export function exposed<T> (app: FastifyInstance, name: Decorator, namespace: string | undefined): T | undefined {
  if (!app.hasDecorator(name)) return undefined
  const accounts = app.getDecorator<T & Record<string, T>>(name)
  return namespace === undefined ? accounts : accounts[namespace]
}
