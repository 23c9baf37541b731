/** Who the visitor is: decorates `app.wechatOAuth`; `GET /oauth/authorize` and `GET /oauth/callback`. */
import { hkdfSync } from 'node:crypto'
import type { FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import fp from 'fastify-plugin'
import { WechatError, WechatLoginError } from '../src/errors.ts'
import { isCode } from '../src/official-account/oauth.ts'
import type { AccountComponent, OAuthScope, OAuthUserinfo, WechatOAuth } from '../src/official-account/oauth.ts'
import { createRedeemOnce } from '../src/redeem-once.ts'
import { accountKey } from '../src/store/key.ts'
import { accountsOf, findAccounts, perAccount } from './accounts.ts'
import type { WechatAccount } from './accounts.ts'
import { baseOf, createRoundTrips, originOf, withoutQuery } from './browsers.ts'
import { checkPluginOptions, expose, noStore, routeOf, runHandler, scopeOf } from './common.ts'
import type { CommonOptions, Namespaced, WithAccounts, WithComponent } from './common.ts'
import { origin as checkOrigin } from './option-shapes.ts'
import { AUTHORIZE, CALLBACK, HIDDEN } from './schemas.ts'

/** The visitor, as passed to your handlers. The two tokens are included, but not in JSON. */
export interface WechatUser extends Partial<OAuthUserinfo> {
  openid: string
  unionid?: string
  /** The scope that the visitor granted. */
  scope: string
  /** A virtual account of WeChat's "snapshot page" mode, not a real user. */
  isSnapshotUser: boolean
  readonly accessToken: string
  readonly refreshToken: string
}

type LoginHandler = (user: WechatUser, request: FastifyRequest, reply: FastifyReply) => unknown

export interface OAuthOptions extends CommonOptions {
  /** Not needed with `component`. */
  appSecret: string
  /** The third-party platform that logs visitors in on this account's behalf. */
  component?: AccountComponent
  /**
   * Called once WeChat has identified the visitor: start the session here. It may answer with `reply` before it resolves;
   * otherwise, whatever it returns, the visitor is redirected to `returnTo`. Without it, no routes are added.
   */
  onLogin?: LoginHandler
  /** Called instead of `onLogin` for a visitor of WeChat's snapshot page. Default: 403. */
  onSnapshotUser?: LoginHandler
  /** Called if the visitor tapped "refuse". Default: 403. */
  onRefuse?: (request: FastifyRequest, reply: FastifyReply) => unknown
  /** Default `snsapi_base`: the openid, without confirmation. `?scope=` of the authorize route can select the other. */
  scope?: OAuthScope
  /**
   * Where browsers reach this server, such as `https://shop.example.com`; its domain must be registered in WeChat's console.
   * Never taken from a request's headers. Required if NODE_ENV is production. Default: the address that the server listens on.
   * An account returned by `accounts.find` may have its own.
   */
  origin?: string
  /** Used if `returnTo` is missing or not on this site. Default `/`. */
  defaultReturnTo?: string
  /** Default: true with `NODE_ENV=production` or when the request came over https. */
  secureCookie?: boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Not with `accounts`: each account has its own, `(await app.wechatAccounts.get(id)).oauth`. */
    wechatOAuth: Namespaced<WechatOAuth>
  }
}

/** Seconds from the redirect to WeChat until the callback. */
const LOGIN_TIME = 600

export const oauth = fp<OAuthOptions | WithComponent<OAuthOptions> | WithAccounts<OAuthOptions>>(async (app, options) => {
  const { onLogin, onSnapshotUser, onRefuse, namespace, scope: defaultScope = 'snsapi_base', defaultReturnTo = '/' } = options
  checkPluginOptions(app, 'oauth', options)
  const accounts = await accountsOf(app, options)
  const { only, store } = accounts
  if (only) expose(app, 'wechatOAuth', only.oauth, namespace)
  if (!onLogin) return
  // Only these routes need it, and not every application has them.
  const { default: cookie } = await import('@fastify/cookie')

  const redeemOnce = createRedeemOnce(store, LOGIN_TIME * 1000)
  if (only) ownOrigin(only)

  // Derived from the appSecret (or the platform's), because every process of the fleet must be able to read the cookie. Two ids may share an appId.
  const signerOf = perAccount(({ id, appId, options: { appSecret, component } }) => {
    const use = `login cookie${id === appId ? '' : ` of ${id}`}`
    const key = component ? component.key(`${use} at ${appId}`) : new Uint8Array(hkdfSync('sha256', appSecret as string, appId, `fastify-wechat-pay ${use}`, 32))
    return new cookie.Signer(Buffer.from(key).toString('hex'), 'sha256')
  })

  function ownOrigin (account: WechatAccount): string {
    if (account.options.origin) checkOrigin(account.options.origin, 'origin')
    return originOf(app, account.options.origin ?? options.origin)
  }

  const trips = createRoundTrips({
    routes: 'oauth',
    cookiePrefix: 'wechat_login_',
    lifetime: LOGIN_TIME,
    defaultReturnTo,
    secureCookie: options.secureCookie,
    signerOf: request => signerOf(request.wechatAccount),
    unknown: 'this login was not started in this browser, has expired, or was already used: start again'
  })

  function authorize (request: FastifyRequest<{ Querystring: Record<string, unknown> }>, reply: FastifyReply) {
    const { returnTo, scope = defaultScope } = request.query
    const trip = trips.begin(returnTo)
    const account = request.wechatAccount
    const redirectUri = `${ownOrigin(account)}${baseOf(request, 'oauth')}/callback`
    const url = account.oauth.authorizeUrl({ redirectUri, scope: scope as OAuthScope, state: trip.state })
    trips.remember(trip, request, reply)
    return reply.redirect(url)
  }

  async function visitor ({ oauth }: WechatAccount, code: string): Promise<string> {
    const { accessToken, refreshToken, openid, unionid, scope, isSnapshotUser } = await oauth.exchange(code)
    const info = scope.split(',').includes('snsapi_userinfo') ? await oauth.userinfo(accessToken, openid) : {}
    return JSON.stringify({ user: { ...info, openid, ...(unionid && { unionid }), scope, isSnapshotUser }, accessToken, refreshToken })
  }

  /** A state is valid for one exchange; a duplicate request that arrives meanwhile gets the same visitor. */
  async function exchangeOnce (account: WechatAccount, state: string, code: string, log: FastifyRequest['log']): Promise<string> {
    const outcome = await redeemOnce(accountKey(account.appId, `login:${state}`), () => visitor(account, code), log)
    if (outcome === undefined) throw new WechatLoginError('WECHAT_LOGIN_STATE', 'this login was already used: start again')
    return outcome
  }

  async function callback (request: FastifyRequest<{ Querystring: Record<string, unknown> }>, reply: FastifyReply) {
    const { state, code, appid } = request.query
    const trip = trips.find(state, request)
    const { appId, options: { component } } = request.wechatAccount
    // Logins on behalf of an account come back with its id: another's code must not be redeemed as this one's.
    if (component && appid !== appId) throw new WechatLoginError('WECHAT_LOGIN_CODE', 'that is the login of another account', { statusCode: 400 })
    if (code !== undefined && !isCode(code)) throw new WechatLoginError('WECHAT_LOGIN_CODE', 'this is not a WeChat code', { statusCode: 400 })
    trips.forget(trip, request, reply)
    if (code === undefined) {
      const { isAnswered } = await runHandler(reply, () => onRefuse?.(request, reply))
      if (isAnswered) return reply
      throw new WechatLoginError('WECHAT_LOGIN_REFUSED', 'the visitor did not allow the login')
    }
    const { user, ...tokens } = JSON.parse(await exchangeOnce(request.wechatAccount, trip.state, code, request.log)) as { user: WechatUser, accessToken: string, refreshToken: string }
    for (const [name, value] of Object.entries(tokens)) Object.defineProperty(user, name, { value, enumerable: false })
    const handler = user.isSnapshotUser ? onSnapshotUser : onLogin
    if (!handler) {
      throw new WechatLoginError('WECHAT_LOGIN_SNAPSHOT', 'this is WeChat\'s snapshot page: open the full page to log in', {
        advice: 'Ask the visitor to tap "use the full service" at the bottom of the page.', adviceZh: '请提示用户点击页面底部的「使用完整服务」。'
      })
    }
    const { isAnswered } = await runHandler(reply, () => handler(user, request, reply))
    return isAnswered ? reply : reply.redirect(trip.returnTo)
  }

  app.register(async scope => {
    if (!scope.hasReplyDecorator('setCookie')) await scope.register(cookie)
    scope.addHook('onSend', noStore)
    findAccounts(scope, accounts)
    // No HEAD: a code works once, and a link checker must not use it up.
    scope.get<{ Querystring: Record<string, unknown> }>('/oauth/authorize', { ...routeOf(options, AUTHORIZE), exposeHeadRoute: false }, authorize)
    // Keep the code out of the request log: until it is exchanged, it is enough to log in. Fastify logs unmatched requests
    // and their 404 with the query: hence the routes for requests that only look like the callback.
    const quiet = { exposeHeadRoute: false, logSerializers: { ...options.logSerializers, req: withoutQuery } }
    scope.get<{ Querystring: Record<string, unknown> }>('/oauth/callback', { ...routeOf(options, CALLBACK), ...quiet }, callback)
    scope.route<{ Params: { '*': string }, Querystring: Record<string, unknown> }>({
      method: 'GET',
      url: '/oauth/callback/*',
      ...routeOf(options, HIDDEN),
      ...quiet,
      handler: async (request, reply) => {
        if (request.params['*'] !== '') throw noCallback(404)
        return await callback(request, reply)
      }
    })
    for (const url of ['/oauth/callback', '/oauth/callback/*']) {
      scope.route({ method: scope.supportedMethods.filter(method => method !== 'GET') as HTTPMethods[], url, ...routeOf(options, HIDDEN), ...quiet, handler: async () => { throw noCallback(405) } })
    }
  }, scopeOf(options))
}, { fastify: '5.x', name: 'fastify-wechat-pay/oauth' })

const noCallback = (statusCode: 404 | 405) => new WechatError('WECHAT_LOGIN_CALLBACK', `the callback is GET .../oauth/callback, and ${statusCode === 404 ? 'this is a different path' : 'it accepts no other method'}`, { statusCode })

export default oauth
export type { WechatOAuth, OAuthUserinfo }
