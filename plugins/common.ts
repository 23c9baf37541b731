/** Options that every plugin of the package accepts, and steps that all of them share. */
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
  /** Replaces `appId` and all other options of a single account. */
  accounts?: undefined
  /** WeChat's hosts. Leave it out in production; point it at the emulator in development. */
  endpoints?: Endpoints
  /** A client or cluster of ioredis (`app.redis`) or of the package `redis`, shared by all processes. Default: this process's memory. */
  redis?: RedisClient
  /** Encrypts tokens, tickets, logins and certificates in Redis: 32 random bytes, as a Buffer, hex or base64, the same in all processes. */
  encryptionKey?: string | Uint8Array
  /** Timeout, retries, connections and proxy of calls to WeChat. */
  http?: HttpOptions
  /** The path of the routes. Default `/wechat`, or `/wechat/<namespace>`; with `accounts`, usually `/wechat/:account`. */
  prefix?: string
  /** Runs before every route of this plugin: for authentication, rate limits and so on. */
  preHandler?: PreHandler | PreHandler[]
  /** `config` of every route of this plugin, such as `{ rateLimit: { max: 20, timeWindow: '1 minute' } }` for @fastify/rate-limit. */
  routeConfig?: FastifyContextConfig & Record<string, unknown>
  /** A second account in the same scope: its decorators are members of that name, as with @fastify/redis. */
  namespace?: string
  /** For this plugin's routes, as in Fastify's `register`. */
  logLevel?: RegisterOptions['logLevel']
  logSerializers?: RegisterOptions['logSerializers']
}

/** The options that belong to an account, not to its routes. */
type OfAccount = 'appId' | 'appSecret' | 'tokenMode' | 'tokenProvider' | 'ticketProvider' | 'sessionProvider' | 'component' | 'merchant' | 'version' | 'endpoints' | 'http'

/** The options `T` of a plugin with `accounts` instead of a single account. */
export type WithAccounts<T> = Omit<T, OfAccount | 'accounts'> & { [Name in OfAccount]?: undefined } & { accounts: AccountsChoice }

/** The options `T` of a plugin with `tokenProvider` instead of a secret. */
export type WithProvider<T> = Omit<T, 'appSecret'> & { appSecret?: string, tokenProvider: TokenProvider }

/** The options `T` of a plugin, for an account that has authorized a third-party platform: without a secret. */
export type WithComponent<T> = Omit<T, 'appSecret' | 'component'> & { appSecret?: string, component: AccountComponent }

/** The options from which all plugins get their accounts. */
export type AnyAccounts = Omit<CommonOptions, OfAccount | 'accounts'> & { [Name in OfAccount]?: unknown } & { accounts?: AccountsChoice | undefined }

/** Return `reply` if you have answered. */
type PreHandler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

export type { Namespaced }

/**
 * An unknown or invalid option stops registration. One options object may serve several plugins: each accepts the
 * names of all, and checks its own.
 * @throws WechatConfigError naming the option, never its value
 */
export function checkPluginOptions (app: FastifyInstance, plugin: keyof typeof OPTIONS, options: AnyAccounts): void {
  checkOptions(options, OPTIONS[plugin], '', OPTIONS.wechatPay)
  if (options.accounts) {
    const ofOne = Object.entries(options).find(([name, value]) => value !== undefined && Object.hasOwn(CORE, name))?.[0]
    if (ofOne) throw new WechatConfigError(ofOne, 'belongs to a single account: with accounts, return it from accounts.find')
  }
  warnOfPlainHttp(app, options.endpoints as Endpoints | undefined)
}

export function warnOfPlainHttp (app: FastifyInstance, endpoints: Endpoints = {}): void {
  if (process.env.NODE_ENV !== 'production' || warned.has(app.server)) return
  const plain = Object.entries(endpoints).filter(([, base]) => /^http:/i.test(base)).map(([name]) => `endpoints.${name}`)
  if (plain.length === 0) return
  warned.add(app.server)
  app.log.warn(`fastify-wechat-pay: ${plain.join(', ')} use plain http with NODE_ENV=production: your secrets are readable on the network. If this is the emulator, remove it`)
}

const warned = new WeakSet<object>()

/** For `register`: the prefix of a plugin's routes, and how they log. */
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
  if (isOneOfSeveralProcesses()) {
    app.log.warn('fastify-wechat-pay: several processes but no redis option: each has its own tokens and handled notifications, and they invalidate each other\'s tokens')
  }
  const memory = createMemoryStore()
  memories.set(app.server, memory)
  return memory
}

/** One memory store for all plugins of a server, so that they share values as they would with Redis. */
const memories = new WeakMap<object, Store>()

/** node:cluster, pm2, or a platform that sets the number of processes. */
function isOneOfSeveralProcesses (): boolean {
  const { NODE_APP_INSTANCE, WEB_CONCURRENCY } = process.env
  return cluster.isWorker || NODE_APP_INSTANCE !== undefined || Number(WEB_CONCURRENCY) > 1
}

/**
 * Shared by all routes: the `preHandler`, a schema that documents the route (for @fastify/swagger) but does not validate,
 * because our own errors are more specific, and errors without internals for visitors; the application's error handler gets them next.
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

/** An onSend hook: answers must not be cached or shared. */
export function noStore (_request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error: null, payload: unknown) => void): void {
  reply.header('cache-control', 'no-store')
  done(null, payload)
}

type Decorator = 'wechatAccounts' | 'wechatToken' | 'wechatOAuth' | 'wechatJssdk' | 'wechatMiniProgram' | 'wechatPay' | 'wechatNotify' | 'wechatReconcile'

/** Decorates the app, or adds a named account to the existing decorator. */
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

/**
 * Runs a handler of the application that may answer the request itself. `isAnswered`: it called `reply.send`, which
 * `redirect` and others use, or `reply.hijack`. `value`: what it returned, undefined for `reply` itself.
 */
export async function runHandler<T> (reply: FastifyReply, handle: () => T | Promise<T>): Promise<{ isAnswered: boolean, value: Awaited<T> | undefined }> {
  let isSent = false
  const send = reply.send.bind(reply)
  const then = reply.then.bind(reply)
  reply.send = payload => {
    isSent = true
    return send(payload)
  }
  // Awaiting a reply waits until its response has ended: for ever, if a handler returns the reply of `reply.setCookie()`.
  reply.then = (fulfilled, rejected) => { if (isSent || reply.sent) then(fulfilled, rejected); else fulfilled() }
  try {
    const value = await handle()
    return { isAnswered: isSent || reply.sent, value }
  } finally {
    reply.send = send
    reply.then = then
  }
}

/** The decorator that `expose` made, if there is one. */
export function exposed<T> (app: FastifyInstance, name: Decorator, namespace: string | undefined): T | undefined {
  if (!app.hasDecorator(name)) return undefined
  const accounts = app.getDecorator<T & Record<string, T>>(name)
  return namespace === undefined ? accounts : accounts[namespace]
}
