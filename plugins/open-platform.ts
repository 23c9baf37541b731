/** A third-party platform (第三方平台): decorates `app.wechatOpenPlatform`; WeChat's pushes, and the way of an account's owner to WeChat and back. */
import { randomUUID } from 'node:crypto'
import type { CookieSerializeOptions } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { WechatConfigError, WechatError, WechatLoginError, WechatNotificationError } from '../src/errors.ts'
import { nonce } from '../src/nonce.ts'
import { createOnce } from '../src/once.ts'
import type { PlatformOptions, WechatOpenPlatform } from '../src/open-platform/open-platform.ts'
import type { Authorization, Redeemed } from '../src/open-platform/authorizations.ts'
import type { Authorizer } from '../src/open-platform/authorizer.ts'
import { digestOf, isAuthCode } from '../src/open-platform/push.ts'
import { checkOptions } from '../src/shapes.ts'
import { accountKey } from '../src/store/key.ts'
import { baseOf, samePlace, withoutQuery } from './browsers.ts'
import { answered, noStore, routeOf, scopeOf, storeOf, warnOfPlainHttp } from './common.ts'
import type { CommonOptions } from './common.ts'
import type { WechatAccounts } from './accounts.ts'
import { OPEN_PLATFORM, OPTIONS } from './option-shapes.ts'
import { AUTHORIZE_PLATFORM, PLATFORM_CALLBACK, PLATFORM_EVENTS } from './schemas.ts'
import { xml } from './xml.ts'

type Common = Pick<CommonOptions, 'endpoints' | 'redis' | 'encryptionKey' | 'http' | 'prefix' | 'preHandler' | 'routeConfig' | 'logLevel' | 'logSerializers'>

/** `preHandler` is for the two routes of browsers; WeChat's pushes prove themselves. */
export interface OpenPlatformOptions extends PlatformOptions, Common {
  /**
   * Called when an owner comes back, after `onAuthorized`. Return `reply` if you have answered; otherwise the owner is sent
   * to where they wanted to go.
   */
  onReturn?: (authorization: Redeemed, request: FastifyRequest, reply: FastifyReply) => unknown
  /** Which accounts an owner may choose: 1 Official Accounts, 2 mini programs, 3 both (default). */
  authType?: 1 | 2 | 3
  /** Where browsers reach this server, such as `https://platform.example.com`. Required where NODE_ENV is production. Default: the address that the server listens on. */
  origin?: string
  /** Where owners go who asked for no place, or for one that is not on this site. Default `/`. */
  defaultReturnTo?: string
  /** Default: true with `NODE_ENV=production` or when the request came over https. */
  secureCookie?: boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    wechatOpenPlatform: WechatOpenPlatform
  }
}

/** Seconds from leaving for WeChat to coming back: a pre_auth_code lives half an hour. */
const LEAVE_TIME = 1800
/** Milliseconds: WeChat waits five seconds. */
const EVENT_TIMEOUT = 4500
/** Milliseconds in which an event may be sent again. */
const EVENT_KNOWN = 86_400_000

interface Leave { state: string, returnTo: string, until: number }
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
  const once = createOnce(store, { timeout: EVENT_TIMEOUT, remember: EVENT_KNOWN, log: app.log })
  originOf()

  const { read, handle, handOverAll, key: _key, disconnect, ...face } = platform
  app.decorate('wechatOpenPlatform', face)
  // What a process left behind that ended between WeChat's answer and the application's.
  app.addHook('onReady', async () => { handOverAll().catch(() => {}) })
  app.addHook('onClose', async () => {
    await once.close(EVENT_TIMEOUT)
    await disconnect()
  })

  /** The accounts of this server under that appId, whatever they are called, are looked up anew. */
  function forget (appId: string): void {
    if (!app.hasDecorator('wechatAccounts')) return
    const named = app.wechatAccounts as unknown as Record<string, WechatAccounts>
    for (const accounts of [app.wechatAccounts, ...Object.values(named)]) {
      if (typeof accounts?.forget !== 'function') continue
      accounts.forget(appId)
      for (const kept of accounts.status().accounts) if (kept.appId === appId) accounts.forget(kept.id)
    }
  }

  function originOf (): string {
    if (!options.origin && process.env.NODE_ENV === 'production') throw new WechatConfigError('origin', 'is required where NODE_ENV is production: WeChat sends owners back there')
    return (options.origin ?? (app.addresses().length > 0 ? app.listeningOrigin : 'http://localhost')).replace(/\/+$/, '')
  }

  const cookieName = (state: string) => `wechat_authorize_${state.slice(0, 8)}`
  const cookieOptions = (request: FastifyRequest): CookieSerializeOptions => ({
    path: baseOf(request, 'open-platform'),
    httpOnly: true,
    sameSite: 'lax',
    secure: options.secureCookie ?? (process.env.NODE_ENV === 'production' || request.protocol === 'https')
  })

  async function authorize (request: FastifyRequest<{ Querystring: Querystring }>, reply: FastifyReply) {
    const { returnTo, device } = request.query
    const leave: Leave = { state: nonce(), returnTo: samePlace(returnTo) ?? defaultReturnTo, until: Date.now() + LEAVE_TIME * 1000 }
    // WeChat has no state of its own here: the URL that it sends the owner back to keeps its query.
    const redirectUri = `${originOf()}${baseOf(request, 'open-platform')}/callback?state=${leave.state}`
    const url = await platform.authorizeUrl({ redirectUri, device: deviceOf(device, request), authType })
    return reply
      .setCookie(cookieName(leave.state), signer.sign(JSON.stringify(leave)), { ...cookieOptions(request), maxAge: LEAVE_TIME })
      .redirect(url)
  }

  /** The way to WeChat that this very browser began under this state. */
  function begun (request: FastifyRequest, state: unknown): Leave {
    if (typeof state === 'string' && /^[0-9a-f]{32}$/.test(state)) {
      const { valid, value } = signer.unsign(request.cookies[cookieName(state)] ?? '')
      const leave = valid && value ? JSON.parse(value) as Leave : undefined
      if (leave?.state === state && leave.until > Date.now()) return leave
    }
    throw new WechatLoginError('WECHAT_LOGIN_STATE', 'this authorization was not begun in this browser, or it has expired or been used: start again')
  }

  async function callback (request: FastifyRequest<{ Querystring: Querystring }>, reply: FastifyReply) {
    const { state, auth_code: code } = request.query
    const leave = begun(request, state)
    if (!isAuthCode(code)) throw new WechatLoginError('WECHAT_LOGIN_CODE', 'that is not a code of WeChat\'s', { statusCode: 400 })
    await belongsTo(leave.state, code)
    const authorization = await platform.redeem(code)
    reply.clearCookie(cookieName(leave.state), cookieOptions(request))
    const answer = await onReturn?.(authorization, request, reply)
    return answered(answer, reply) ? answer ?? reply : reply.redirect(leave.returnTo)
  }

  /** One state, one code: a second request of the same browser is welcome, another code is not. */
  async function belongsTo (state: string, code: string): Promise<void> {
    const key = accountKey(platform.componentAppId, `authorize:${state}`)
    const owner = randomUUID()
    const mine = digestOf(code)
    const turn = await store.acquire(key, owner, 3000)
    if (turn.state === 'acquired' && await store.complete(key, owner, mine, LEAVE_TIME * 1000)) return
    const first = turn.state === 'done' ? turn.value : (await store.read(key))?.value
    if (first !== mine) throw new WechatLoginError('WECHAT_LOGIN_STATE', 'this authorization has been used: start again')
  }

  app.register(async scope => {
    if (!scope.hasReplyDecorator('setCookie')) await scope.register(cookie)
    scope.addHook('onSend', noStore)
    // Codes are not for the request log: whoever has one, and the platform's token, has the account.
    const quiet = { exposeHeadRoute: false, logSerializers: { ...options.logSerializers, req: withoutQuery } }
    scope.get<{ Querystring: Querystring }>('/open-platform/authorize', { ...routeOf(options, AUTHORIZE_PLATFORM), exposeHeadRoute: false }, authorize)
    scope.get<{ Querystring: Querystring }>('/open-platform/callback', { ...routeOf(options, PLATFORM_CALLBACK), ...quiet }, callback)

    scope.register(async events => {
      await events.register(xml, { parse: false })
      events.setErrorHandler(async (error, request, reply) => {
        const { statusCode: given = 500 } = error as { statusCode?: number }
        // A handler's error may carry any status; one below 400 would tell WeChat that all is well.
        const statusCode = given < 400 ? 500 : given
        if (error instanceof WechatError || statusCode < 500) request.log.warn({ err: error }, 'event of the Open Platform refused')
        else request.log.error({ err: error }, 'the handler of an event of the Open Platform failed; WeChat will send it again')
        return reply.code(statusCode).type(TEXT).send('fail')
      })
      const { config, schema, validatorCompiler } = { config: undefined, ...routeOf({ ...(options.routeConfig && { routeConfig: options.routeConfig }) }, PLATFORM_EVENTS) }
      events.post<{ Querystring: Querystring }>('/open-platform/events', { schema, validatorCompiler, ...(config && { config }), logSerializers: quiet.logSerializers }, async (request, reply) => {
        if (!Buffer.isBuffer(request.body)) throw new WechatNotificationError('there is no body')
        const { push, document } = read(request.query, request.body)
        // By what it says, not by its nonce: the same event is one, however it is sealed.
        await once(accountKey(platform.componentAppId, `handled:event:${digestOf(document)}`), async () => await handle(push))
        return reply.type(TEXT).send('success')
      })
    })
  }, scopeOf(options))
}, { fastify: '5.x', name: 'fastify-wechat-pay/open-platform' })

const TEXT = 'text/plain; charset=utf-8'

/** `?device=`, or what the browser says it is. */
function deviceOf (device: unknown, request: FastifyRequest): 'pc' | 'phone' {
  if (device === 'pc' || device === 'phone') return device
  return /MicroMessenger|Mobile|Android|iPhone/i.test(String(request.headers['user-agent'])) ? 'phone' : 'pc'
}

export default openPlatform
export type { Authorization, Authorizer, Redeemed, WechatOpenPlatform }
