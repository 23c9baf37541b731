/** Signs pages for WeChat's JS-SDK: decorates `app.wechatJssdk`; `GET /jssdk?url=` and `POST /jssdk` (JSON or form). */
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { WechatError, WechatInputError } from '../src/errors.ts'
import type { WechatJssdk } from '../src/account.ts'
import type { WechatToken } from '../src/official-account/access-token.ts'
import { jssdkConfig, pageHost } from '../src/official-account/jssdk.ts'
import type { JssdkConfig, JssdkConfigOptions } from '../src/official-account/jssdk.ts'
import { accountsOf, findAccounts } from './accounts.ts'
import type { WechatAccount } from './accounts.ts'
import { checkPluginOptions, expose, exposed, noStore, routeOf, scopeOf } from './common.ts'
import type { Namespaced, WithAccounts, WithProvider } from './common.ts'
import { acceptForms } from './forms.ts'
import { JSSDK_GET, JSSDK_POST } from './schemas.ts'
import { token } from './token.ts'
import type { TokenOptions } from './token.ts'

export interface JssdkOptions extends TokenOptions, JssdkConfigOptions {
  /**
   * Hosts (with their port, if any) whose pages the route signs, or a function that decides.
   * Default: the host the request was made to.
   */
  allowedHosts?: string[] | ((host: string, request: FastifyRequest) => boolean | Promise<boolean>)
}

declare module 'fastify' {
  interface FastifyInstance {
    wechatJssdk: Namespaced<WechatJssdk>
  }
}

const MAX_URL = 4096

export const jssdk = fp<JssdkOptions | WithProvider<JssdkOptions> | WithAccounts<JssdkOptions>>(async (app, options) => {
  checkPluginOptions(app, 'jssdk', options)
  const { jsApiList, openTagList, debug, allowedHosts, namespace } = options
  const defaults: JssdkConfigOptions = { ...(jsApiList && { jsApiList }), ...(openTagList && { openTagList }), ...(debug !== undefined && { debug }) }
  const accounts = await accountsOf(app, options)
  const { only } = accounts
  if (only && !exposed(app, 'wechatToken', namespace)) await app.register(token, options)
  // The application's token plugin already has the account's token.
  const existing = exposed<WechatToken>(app, 'wechatToken', namespace)
  const tokenOf = (account: WechatAccount) => existing?.appId === account.appId ? existing : account.token

  const configOf = async (account: WechatAccount, url: string, own?: JssdkConfigOptions) =>
    jssdkConfig(account.appId, await tokenOf(account).ticket(), url, own ? { ...defaults, ...own } : defaults)

  if (only) {
    tokenOf(only)
    expose(app, 'wechatJssdk', { config: async (url, own) => await configOf(only, url, own) } satisfies WechatJssdk, namespace)
  }

  function isAllowed (host: string, request: FastifyRequest): boolean | Promise<boolean> {
    if (typeof allowedHosts === 'function') return allowedHosts(host, request)
    return (allowedHosts ?? [request.host]).some(allowed => withoutDefaultPort(allowed) === withoutDefaultPort(host))
  }

  async function sign (url: unknown, request: FastifyRequest): Promise<JssdkConfig> {
    if (typeof url !== 'string' || url === '' || url.length > MAX_URL) throw new WechatInputError('url', 'must be the URL of the page, given once')
    const host = pageHost(url)
    if (host === undefined || !await isAllowed(host, request)) {
      throw new WechatError('WECHAT_URL_NOT_ALLOWED', 'this server does not sign this page', {
        statusCode: 403, advice: 'Send location.href of a page on this host, or add the page\'s host to allowedHosts.', adviceZh: '请传入本站页面的 location.href，或在 allowedHosts 中加入该域名。'
      })
    }
    return await configOf(request.wechatAccount, url)
  }

  app.register(async scope => {
    await acceptForms(scope)
    findAccounts(scope, accounts)
    scope.addHook('onSend', noStore)
    scope.get<{ Querystring: { url?: unknown } }>('/jssdk', routeOf(options, JSSDK_GET), async request => await sign(request.query.url, request))
    scope.post<{ Body: { url?: unknown } | null }>('/jssdk', routeOf(options, JSSDK_POST), async request => await sign(request.body?.url, request))
  }, scopeOf(options))
}, { fastify: '5.x', name: 'fastify-wechat-pay/jssdk' })

/** Browsers omit port 80 in http URLs and 443 in https URLs; a Host header may contain them. */
function withoutDefaultPort (host: string): string {
  return host.toLowerCase().replace(/:(?:80|443)$/, '')
}

export default jssdk
export type { JssdkConfig, JssdkConfigOptions, WechatJssdk }
