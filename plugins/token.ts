/** The account's access_token and tickets, one for all processes: decorates `app.wechatToken`. */
import fp from 'fastify-plugin'
import { createAccessToken } from '../src/official-account/access-token.ts'
import type { WechatToken } from '../src/official-account/access-token.ts'
import { checkPluginOptions, coreOptions, expose, storeOf } from './common.ts'
import type { CommonOptions, Namespaced } from './common.ts'

export interface TokenOptions extends CommonOptions {
  appSecret: string
  /** `stable` (default): calls of several systems do not kill each other's tokens. `plain`: the older endpoint. */
  tokenMode?: 'stable' | 'plain'
}

declare module 'fastify' {
  interface FastifyInstance {
    wechatToken: Namespaced<WechatToken>
  }
}

export const token = fp<TokenOptions>(async (app, options) => {
  checkPluginOptions(app, 'token', options)
  const value = createAccessToken({ ...coreOptions(options), log: app.log, store: storeOf(app, options) })
  expose(app, 'wechatToken', value, options.namespace)
}, { fastify: '5.x', name: 'fastify-wechat-pay/token' })

export default token
export type { WechatToken }
