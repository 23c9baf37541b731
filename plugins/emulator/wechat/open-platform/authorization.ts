/** The authorization pages of mp.weixin.qq.com (PC) and open.weixin.qq.com (phone). */
import type { FastifyRequest } from 'fastify'
import { languageOf } from '../browser/pages.ts'
import type { OpenPlatform } from './component.ts'
import { authorizationPage, declinedPage, refusedPage } from './pages.ts'
import { ALL_PERMISSIONS } from './permissions.ts'
import type { Routes } from '../routes.ts'

type Query = Record<string, string | undefined>
interface Problem { zh: string, en: string }

const HTML = 'text/html; charset=utf-8'

export function authorizationPages (app: Routes, platform: OpenPlatform): void {
  const { account, shops } = platform

  /** Checks before the page is shown. WeChat's own error pages say less. */
  function problem (query: Query): Problem | undefined {
    const { component_appid: id, pre_auth_code: code = '', redirect_uri: back = '', auth_type: type, biz_appid: wanted } = query
    if (id !== account.appId) return { zh: `component_appid 不正确：本模拟器的第三方平台是 ${account.appId}。`, en: `Wrong component_appid: this emulator's platform is ${account.appId}.` }
    if (!URL.canParse(back)) return { zh: 'redirect_uri 不是完整的 URL，请先做 URL 编码再拼入地址。', en: 'redirect_uri is not an absolute URL. Did you URL-encode it?' }
    const { host } = new URL(back)
    if (!platform.isOurDomain(host)) return { zh: `redirect_uri 的域名 ${host} 未登记：真实环境在开放平台“授权发起页域名”中登记，模拟器用 component.domains（--component-domain）。`, en: `redirect_uri's host ${host} is not registered. Add it to component.domains (--component-domain); at WeChat, to the platform's domains.` }
    if (type !== undefined && !/^[1-6]$/.test(type)) return { zh: 'auth_type 应为 1 至 6。', en: 'auth_type must be 1 to 6.' }
    if (wanted && !platform.shopOf(wanted)) return { zh: `biz_appid ${wanted} 不是本模拟器的帐号。`, en: `This emulator has no account with the biz_appid ${wanted}.` }
    if (!platform.isPreAuthCode(code)) return { zh: 'pre_auth_code 无效：只能用一次，30 分钟内有效。请每次打开授权页前调用 api_create_preauthcode。', en: 'Invalid pre_auth_code: it works once, for 30 minutes. Call api_create_preauthcode each time you open this page.' }
  }

  /** The linking page must be on the platform's domain. A browser that sends no Referer is accepted (a guess). */
  function refererProblem ({ headers: { referer }, host: own }: FastifyRequest): Problem | undefined {
    if (!referer || !URL.canParse(referer)) return
    const { host } = new URL(referer)
    if (host === own || platform.isOurDomain(host)) return
    return { zh: `授权入口页的域名 ${host} 未登记：请从已登记域名的页面打开授权页。`, en: `The page that links here is on ${host}, which is not registered. Open this page from the platform's domain.` }
  }

  for (const [path, name] of [['/cgi-bin/componentloginpage', 'componentloginpage'], ['/wxaopen/safe/bindcomponent', 'bindcomponent']] as const) {
    app.get<{ Querystring: Query }>(path, async (request, reply) => {
      const wrong = problem(request.query) ?? refererProblem(request)
      reply.type(HTML)
      if (wrong) return refusedPage(languageOf(request), wrong)
      const { biz_appid: wanted } = request.query
      return authorizationPage(languageOf(request), request.query, { shops: shops.filter(({ state }) => !wanted || state.account.appId === wanted), componentAppId: account.appId, action: `${name}_reply` })
    })

    // The page's two buttons.
    app.post(`${path}_reply`, async (request, reply) => {
      const form = new URLSearchParams(String(request.body))
      const query: Query = Object.fromEntries(form)
      const wrong = problem(query)
      const appId = query.authorizer_appid ?? ''
      if (wrong || !platform.shopOf(appId)) return reply.type(HTML).send(refusedPage(languageOf(request), wrong ?? { zh: '没有这个帐号。', en: 'No such account.' }))
      if (query.action !== 'allow') return reply.type(HTML).send(declinedPage(languageOf(request)))
      const permissions = form.getAll('permission').map(Number).filter(id => ALL_PERMISSIONS.includes(id))
      const { auth_code: code, expires_in: expires } = platform.authorize(appId, query.pre_auth_code ?? '', { permissions })
      const back = new URL(query.redirect_uri as string)
      back.searchParams.set('auth_code', code)
      back.searchParams.set('expires_in', String(expires))
      return reply.redirect(back.href, 303)
    })
  }
}
