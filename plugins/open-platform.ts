/** A third-party platform (第三方平台): decorates `app.wechatOpenPlatform`, and adds routes for WeChat's pushes and for authorizations. */
import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { WechatError, WechatLoginError, WechatNotificationError } from '../src/errors.ts'
import { createOnce } from '../src/once.ts'
import type { PlatformOptions, WechatOpenPlatform } from '../src/open-platform/open-platform.ts'
import type { Authorization, Redeemed } from '../src/open-platform/authorizations.ts'
import type { Authorizer } from '../src/open-platform/authorizer.ts'
import { digestOf, isAuthCode } from '../src/open-platform/push.ts'
import { checkOptions } from '../src/shapes.ts'
import { accountKey } from '../src/store/key.ts'
import { baseOf, createRoundTrips, originOf, withoutQuery } from './browsers.ts'
import { noStore, routeOf, runHandler, scopeOf, storeOf, warnOfPlainHttp } from './common.ts'
import type { CommonOptions } from './common.ts'
import type { WechatAccounts } from './accounts.ts'
import { OPEN_PLATFORM, OPTIONS } from './option-shapes.ts'
import { AUTHORIZE_PLATFORM, PLATFORM_CALLBACK, PLATFORM_EVENTS } from './schemas.ts'
import { xml } from './xml.ts'

type Common = Pick<CommonOptions, 'endpoints' | 'redis' | 'encryptionKey' | 'http' | 'prefix' | 'preHandler' | 'routeConfig' | 'logLevel' | 'logSerializers'>

/** `preHandler` applies to the two browser routes; WeChat's pushes are verified by their signature. */
export interface OpenPlatformOptions extends PlatformOptions, Common {
  /**
   * Called when an owner returns, after `onAuthorized`. It may answer with `reply` before it resolves; otherwise the owner is
   * redirected to `returnTo`.
   */
  onReturn?: (authorization: Redeemed, request: FastifyRequest, reply: FastifyReply) => unknown
  /** The accounts an owner can choose: 1 Official Accounts, 2 mini programs, 3 both (default). */
  authType?: 1 | 2 | 3
  /** The server's public origin, such as `https://platform.example.com`. Required if NODE_ENV is production. Default: the address that the server listens on. */
  origin?: string
  /** Used if `returnTo` is missing or not on this site. Default `/`. */
  defaultReturnTo?: string
  /** Default: true with `NODE_ENV=production` or when the request came over https. */
  secureCookie?: boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    wechatOpenPlatform: WechatOpenPlatform
  }
}

/** How long an owner may take at WeChat, in seconds: a pre_auth_code is valid for half an hour. */
const AUTHORIZE_TIME = 1800
/** Milliseconds; WeChat waits five seconds. */
const EVENT_TIMEOUT = 4500
/** How long WeChat may repeat an event, in milliseconds. */
const EVENT_TTL = 86_400_000

type Querystring = Record<string, unknown>

export const openPlatform = fp<OpenPlatformOptions>(async (app, options) => {
  checkOptions(options, OPEN_PLATFORM, '', { ...OPTIONS.wechatPay, ...OPEN_PLATFORM })
  warnOfPlainHttp(app, options.endpoints)
  const { onReturn, authType = 3, defaultReturnTo = '/', onAuthorized, refreshTokenOf, onUnauthorized } = options
  const { createOpenPlatform } = await import('../src/open-platform/open-platform.ts')
  const store = storeOf(app, options)
  const platform = createOpenPlatform({ ...options, onAuthorized, refreshTokenOf, ...(onUnauthorized && { onUnauthorized }) }, { store, log: app.log, forget })
  const { default: cookie } = await import('@fastify/cookie')
  const signer = new cookie.Signer(Buffer.from(platform.key('authorization cookie')).toString('hex'), 'sha256')
  const once = createOnce(store, { timeout: EVENT_TIMEOUT, remember: EVENT_TTL, log: app.log })
  originOf(app, options.origin)

  const { read, handle, handOverAll, key: _key, disconnect, ...decorator } = platform
  app.decorate('wechatOpenPlatform', decorator)
  // Retry authorizations left by a process that ended before onAuthorized resolved.
  app.addHook('onReady', async () => { handOverAll().catch(() => {}) })
  app.addHook('onClose', async () => {
    await once.close(EVENT_TIMEOUT)
    await disconnect()
  })

  /** Forgets the server's cached accounts with this appId. */
  function forget (appId: string): void {
    if (!app.hasDecorator('wechatAccounts')) return
    const named = app.wechatAccounts as unknown as Record<string, WechatAccounts>
    for (const accounts of [app.wechatAccounts, ...Object.values(named)]) {
      if (typeof accounts?.forget !== 'function') continue
      accounts.forget(appId)
      for (const kept of accounts.status().accounts) if (kept.appId === appId) accounts.forget(kept.id)
    }
  }

  const trips = createRoundTrips({
    routes: 'open-platform',
    cookiePrefix: 'wechat_authorize_',
    lifetime: AUTHORIZE_TIME,
    defaultReturnTo,
    secureCookie: options.secureCookie,
    signerOf: () => signer,
    unknown: 'this authorization was not started in this browser, has expired, or was already used: start again'
  })

  async function authorize (request: FastifyRequest<{ Querystring: Querystring }>, reply: FastifyReply) {
    const { returnTo, device } = request.query
    const trip = trips.begin(returnTo)
    // WeChat has no state parameter here, but redirect_uri keeps its query.
    const redirectUri = `${originOf(app, options.origin)}${baseOf(request, 'open-platform')}/callback?state=${trip.state}`
    const url = await platform.authorizeUrl({ redirectUri, device: deviceOf(device, request), authType })
    trips.remember(trip, request, reply)
    return reply.redirect(url)
  }

  async function callback (request: FastifyRequest<{ Querystring: Querystring }>, reply: FastifyReply) {
    const { state, auth_code: code } = request.query
    const trip = trips.find(state, request)
    if (!isAuthCode(code)) throw new WechatLoginError('WECHAT_LOGIN_CODE', 'that is not a WeChat code', { statusCode: 400 })
    await bindCode(trip.state, code)
    const authorization = await platform.redeem(code)
    trips.forget(trip, request, reply)
    const { isAnswered } = await runHandler(reply, () => onReturn?.(authorization, request, reply))
    return isAnswered ? reply : reply.redirect(trip.returnTo)
  }

  /** A state accepts one code: repeating the request is allowed, a different code is not. */
  async function bindCode (state: string, code: string): Promise<void> {
    const key = accountKey(platform.componentAppId, `authorize:${state}`)
    const owner = randomUUID()
    const digest = digestOf(code)
    const turn = await store.acquire(key, owner, 3000)
    if (turn.state === 'acquired' && await store.complete(key, owner, digest, AUTHORIZE_TIME * 1000)) return
    const first = turn.state === 'done' ? turn.value : (await store.read(key))?.value
    if (first !== digest) throw new WechatLoginError('WECHAT_LOGIN_STATE', 'this authorization was already used: start again')
  }

  app.register(async scope => {
    if (!scope.hasReplyDecorator('setCookie')) await scope.register(cookie)
    scope.addHook('onSend', noStore)
    // Keep codes out of the request log: a code and the platform's token give access to the account.
    const quiet = { exposeHeadRoute: false, logSerializers: { ...options.logSerializers, req: withoutQuery } }
    scope.get<{ Querystring: Querystring }>('/open-platform/authorize', { ...routeOf(options, AUTHORIZE_PLATFORM), exposeHeadRoute: false }, authorize)
    scope.get<{ Querystring: Querystring }>('/open-platform/callback', { ...routeOf(options, PLATFORM_CALLBACK), ...quiet }, callback)

    scope.register(async events => {
      await events.register(xml, { parse: false })
      events.setErrorHandler(async (error, request, reply) => {
        const { statusCode: given = 500 } = error as { statusCode?: number }
        // A handler's error may have any status, but one below 400 would acknowledge the event.
        const statusCode = given < 400 ? 500 : given
        if (error instanceof WechatError || statusCode < 500) request.log.warn({ err: error }, 'Open Platform event refused')
        else request.log.error({ err: error }, 'an Open Platform event handler failed; WeChat will send the event again')
        return reply.code(statusCode).type(TEXT).send('fail')
      })
      const { config, schema, validatorCompiler } = { config: undefined, ...routeOf({ ...(options.routeConfig && { routeConfig: options.routeConfig }) }, PLATFORM_EVENTS) }
      events.post<{ Querystring: Querystring }>('/open-platform/events', { schema, validatorCompiler, ...(config && { config }), logSerializers: quiet.logSerializers }, async (request, reply) => {
        if (!Buffer.isBuffer(request.body)) throw new WechatNotificationError('there is no body')
        const { push, document } = read(request.query, request.body)
        // Keyed by content, not by nonce: a repeated event is the same, even if it is encrypted again.
        await once(accountKey(platform.componentAppId, `handled:event:${digestOf(document)}`), async () => await handle(push))
        return reply.type(TEXT).send('success')
      })
    })
  }, scopeOf(options))
}, { fastify: '5.x', name: 'fastify-wechat-pay/open-platform' })

const TEXT = 'text/plain; charset=utf-8'

/** `?device=`, or detected from the User-Agent. */
function deviceOf (device: unknown, request: FastifyRequest): 'pc' | 'phone' {
  if (device === 'pc' || device === 'phone') return device
  return /MicroMessenger|Mobile|Android|iPhone/i.test(String(request.headers['user-agent'])) ? 'phone' : 'pc'
}

export default openPlatform
export type { Authorization, Authorizer, Redeemed, WechatOpenPlatform }
