/** A mini program's server: decorates `app.wechatMiniProgram`, and adds `POST /mini-program/login` (JSON `{ code }`). */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { WechatConfigError, WechatError, WechatInputError, WechatLoginError } from '../src/errors.ts'
import { withSessionKey } from '../src/mini-program/login.ts'
import type { MiniProgramSession, SessionProvider } from '../src/mini-program/login.ts'
import type { WechatMiniProgram } from '../src/mini-program/mini-program.ts'
import { isCode } from '../src/official-account/oauth.ts'
import type { Merchant } from '../src/pay/merchant.ts'
import { createRedeemOnce } from '../src/redeem-once.ts'
import { accountKey } from '../src/store/key.ts'
import { accountsOf, findAccounts } from './accounts.ts'
import { checkPluginOptions, expose, noStore, routeOf, runHandler, scopeOf } from './common.ts'
import type { Namespaced, WithAccounts, WithProvider } from './common.ts'
import { MINI_PROGRAM_LOGIN } from './schemas.ts'
import type { TokenOptions } from './token.ts'

type LoginHandler = (session: MiniProgramSession, request: FastifyRequest, reply: FastifyReply) => unknown

export interface MiniProgramPluginOptions extends TokenOptions {
  /**
   * Called after WeChat has identified the visitor: start your session here, and return what the page needs, such as
   * `{ token }`; undefined: 204. `session.sessionKey` must stay on the server. The route is only added with this option.
   */
  onLogin?: LoginHandler
  /** Alias for `wechatPay`, where `onLogin` is the Official Account's. If both are given, this one is used. */
  onMiniProgramLogin?: LoginHandler
  /** Exchanges the code instead of WeChat's jscode2session, which needs `appSecret`; for the Open Platform. */
  sessionProvider?: SessionProvider
  /** For `shipping` by `outTradeNo`, and for payments if several plugins share one options object. */
  merchant?: Merchant
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Not with `accounts`: use `(await app.wechatAccounts.get(id)).miniProgram`. */
    wechatMiniProgram: Namespaced<WechatMiniProgram>
  }
}

/** A code's lifetime at WeChat, in milliseconds. */
const CODE_LIFE = 300_000
/** Bytes: a code has 32. */
const BODY_LIMIT = 4096

/** Busy or unreachable: the code may still be valid, and if not, WeChat refuses it. */
const isTransient = (error: unknown) => error instanceof WechatError && error.retryable

export const miniProgram = fp<MiniProgramPluginOptions | WithProvider<MiniProgramPluginOptions> | WithAccounts<MiniProgramPluginOptions>>(async (app, options) => {
  checkPluginOptions(app, 'miniProgram', options)
  const onLogin = options.onMiniProgramLogin ?? options.onLogin
  const accounts = await accountsOf(app, options)
  const { only, store } = accounts
  if (only) expose(app, 'wechatMiniProgram', only.miniProgram, options.namespace)
  if (!onLogin) return
  if (only && only.options.appSecret === undefined && !only.options.sessionProvider) throw new WechatConfigError('appSecret', 'is required for mini program logins, unless sessionProvider is given')
  const redeemOnce = createRedeemOnce(store, CODE_LIFE, isTransient)

  async function sessionOf ({ wechatAccount: { appId, miniProgram }, log }: FastifyRequest, code: string): Promise<MiniProgramSession> {
    const outcome = await redeemOnce(accountKey(appId, `mini-login:${code}`), async () => {
      const session = await miniProgram.login(code)
      return JSON.stringify({ visitor: session, sessionKey: session.sessionKey })
    }, log)
    if (outcome === undefined) {
      throw new WechatLoginError('WECHAT_LOGIN_CODE', 'this code has been used: call wx.login again', {
        advice: 'A wx.login code works once: the page needs a new one for each login, and should keep your own session.', adviceZh: 'wx.login 的 code 只能使用一次：请重新调用 wx.login，并由页面保存自己的会话。'
      })
    }
    const { visitor, sessionKey } = JSON.parse(outcome) as { visitor: Omit<MiniProgramSession, 'sessionKey'>, sessionKey: string }
    return withSessionKey(visitor, sessionKey)
  }

  app.register(async scope => {
    findAccounts(scope, accounts)
    scope.addHook('onSend', noStore)
    scope.post('/mini-program/login', { ...routeOf(options, MINI_PROGRAM_LOGIN), bodyLimit: BODY_LIMIT }, async (request, reply) => {
      const { code } = (request.body ?? {}) as { code?: unknown }
      if (!isCode(code)) throw new WechatInputError('code', 'must be JSON with the code from wx.login: { code }')
      const session = await sessionOf(request, code)
      const { isAnswered, value } = await runHandler(reply, () => onLogin(session, request, reply))
      if (isAnswered) return reply
      return value ?? reply.code(204).send()
    })
  }, scopeOf(options))
}, { fastify: '5.x', name: 'fastify-wechat-pay/mini-program' })

export default miniProgram
export type { MiniProgramSession, SessionProvider, WechatMiniProgram }
export type { Parcel, Shipment, ShippedOrder, Shipping, ShippingStatus } from '../src/mini-program/shipping.ts'
