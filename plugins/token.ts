/** The account's access_token and tickets, one for all processes: decorates `app.wechatToken`. */
import fp from 'fastify-plugin'
import type { TicketProvider, TokenProvider, WechatToken } from '../src/official-account/access-token.ts'
import { accountsOf } from './accounts.ts'
import { checkPluginOptions, expose } from './common.ts'
import type { CommonOptions, Namespaced, WithAccounts, WithProvider } from './common.ts'

export interface TokenOptions extends CommonOptions {
  /** Not needed with `tokenProvider`. */
  appSecret: string
  /** `stable` (default): several systems can fetch tokens without invalidating each other's. `plain`: the older endpoint. */
  tokenMode?: 'stable' | 'plain'
  /** Provides the access_token instead of WeChat's token call: from a central token server or the Open Platform. */
  tokenProvider?: TokenProvider
  /** The same for tickets. Default: WeChat's ticket call, with the access_token. */
  ticketProvider?: TicketProvider
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Not with `accounts`: each account has its own, `(await app.wechatAccounts.get(id)).token`. */
    wechatToken: Namespaced<WechatToken>
  }
}

export const token = fp<TokenOptions | WithProvider<TokenOptions> | WithAccounts<TokenOptions>>(async (app, options) => {
  checkPluginOptions(app, 'token', options)
  const { only } = await accountsOf(app, options)
  if (only) expose(app, 'wechatToken', only.token, options.namespace)
}, { fastify: '5.x', name: 'fastify-wechat-pay/token' })

export default token
export type { WechatToken }
