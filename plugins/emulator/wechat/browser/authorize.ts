/** open.weixin.qq.com's authorize page, and the /sns calls that redeem its codes. */
import { authorizePage, errorPage, languageOf } from './pages.ts'
import type { OpenPlatform } from '../open-platform/component.ts'
import { WEB_PAGES } from '../open-platform/permissions.ts'
import { refuse, withRid } from '../wire.ts'
import type { Timed, User, State } from '../../state/state.ts'
import type { Routes } from '../routes.ts'

type Query = Record<string, string | undefined>

interface Grant extends Timed {
  user: User
  scope: string
  /** The platform that requested it for the account. */
  component?: string
}

const CODE_LIFE = 300_000
const ACCESS_LIFE = 7200_000
const REFRESH_LIFE = 30 * 86_400_000

export function authorize (app: Routes, state: State, platform?: OpenPlatform) {
  const { hex } = state.random
  const codes = state.memory.table<Grant & { used: boolean }>('codes')
  const accesses = state.memory.table<Grant>('visitorTokens')
  const refreshes = state.memory.table<Grant>('refreshTokens')

  /** Checks before WeChat shows the page. Errors are shown as a page. */
  function problem (query: Query): [code: number, text: string] | undefined {
    const { appid, redirect_uri: back = '', response_type: type, scope, component_appid: component } = query
    if (appid !== state.account.appId) return [10013, 'AppID 参数错误']
    if (component !== undefined && component !== platform?.account.appId) return [10013, 'component_appid 参数错误']
    // The code is a guess; the message is the API calls'.
    if (component !== undefined && !platform?.active(appid)?.permissions.includes(WEB_PAGES)) return [61003, 'component is not authorized by this account']
    const isOurs = component === undefined ? state.isOurDomain : platform?.isOurDomain
    if (!URL.canParse(back) || !isOurs?.(new URL(back).host)) return [10003, 'redirect_uri域名与后台配置不一致']
    if (type !== 'code') return [10004, 'response_type 参数错误']
    if (scope !== 'snsapi_base' && scope !== 'snsapi_userinfo') return [10005, '此公众号并没有这些scope的权限']
  }

  function backWith (query: Query, code: string | undefined): string {
    const url = new URL(query.redirect_uri as string)
    if (code) url.searchParams.set('code', code)
    url.searchParams.set('state', query.state ?? '')
    if (query.component_appid !== undefined) url.searchParams.set('appid', query.appid as string)
    return url.href
  }

  function grant (query: Query): string {
    const user = state.users.find(({ openid }) => openid === query.user) ?? state.users[0] as User
    const code = `0${hex(15)}x`
    codes.set(code, { user, scope: query.scope as string, until: state.now() + CODE_LIFE, used: false, ...(query.component_appid !== undefined && { component: query.component_appid }) })
    return code
  }

  app.get<{ Querystring: Query }>('/connect/oauth2/authorize', async (request, reply) => {
    const wrong = problem(request.query)
    if (wrong) return reply.type('text/html; charset=utf-8').send(errorPage(languageOf(request), ...wrong))
    // snsapi_base needs no consent.
    if (request.query.scope === 'snsapi_base') return reply.redirect(backWith(request.query, grant(request.query)))
    return reply.type('text/html; charset=utf-8').send(authorizePage(languageOf(request), request.query, state, state.users.filter(user => !user.foreign)))
  })

  // The page's two buttons.
  app.get<{ Querystring: Query }>('/connect/oauth2/authorize_reply', async (request, reply) => {
    const wrong = problem(request.query)
    if (wrong) return reply.type('text/html; charset=utf-8').send(errorPage(languageOf(request), ...wrong))
    return reply.redirect(backWith(request.query, request.query.action === 'allow' ? grant(request.query) : undefined))
  })

  function tokens (grant: Grant, refreshToken = hex(40)) {
    const accessToken = hex(40)
    accesses.set(accessToken, { ...grant, until: state.now() + ACCESS_LIFE })
    refreshes.set(refreshToken, { ...grant, until: state.now() + REFRESH_LIFE })
    const { openid, snapshot } = grant.user
    return {
      access_token: accessToken,
      expires_in: ACCESS_LIFE / 1000,
      refresh_token: refreshToken,
      openid,
      scope: grant.scope,
      ...(snapshot && { is_snapshotuser: 1 })
    }
  }

  const appProblem = (query: Query, grantType: string) =>
    query.appid !== state.account.appId
      ? refuse(40013, 'invalid appid')
      : query.grant_type !== grantType ? refuse(40002, 'invalid grant_type') : undefined

  sns('/sns/oauth2/access_token', query => {
    const wrong = appProblem(query, 'authorization_code')
    if (wrong) return wrong
    if (query.secret !== state.account.appSecret) return refuse(40125, 'invalid appsecret, view more at http://t.cn/RAEkdVq')
    return redeem(query.code)
  })

  /** A code requested by a platform can only be redeemed by that platform (40029: a guess). */
  function redeem (given: string | undefined, component?: string) {
    if (!given) return refuse(41008, 'missing code')
    const code = codes.get(given)
    if (!code || code.component !== component) return refuse(40029, 'invalid code')
    if (code.used) return refuse(40163, 'code been used')
    if (code.until <= state.now()) return refuse(42003, 'oauth_code expired')
    code.used = true
    return tokens(code)
  }

  sns('/sns/oauth2/refresh_token', query => {
    const wrong = appProblem(query, 'refresh_token')
    if (wrong) return wrong
    return refresh(query.refresh_token)
  })

  function refresh (given = '', component?: string) {
    const grant = refreshes.get(given)
    return grant && grant.component === component && grant.until > state.now() ? tokens(grant, given) : refuse(40030, 'invalid refresh_token')
  }

  /** The grant of a visitor's access_token. */
  function granted (query: Query): Grant | ReturnType<typeof refuse> {
    const grant = accesses.get(query.access_token ?? '')
    if (!grant) return refuse(40001, 'invalid credential, access_token is invalid or not latest')
    if (grant.until <= state.now()) return refuse(42001, 'access_token expired')
    return grant.user.openid === query.openid ? grant : refuse(40003, 'invalid openid')
  }

  sns('/sns/userinfo', query => {
    const grant = granted(query)
    if ('errcode' in grant) return grant
    if (grant.scope !== 'snsapi_userinfo') return refuse(48001, 'api unauthorized')
    const { openid, nickname } = grant.user
    return { openid, nickname, sex: 0, language: 'zh_CN', city: '', province: '', country: '', headimgurl: '', privilege: [] }
  })

  sns('/sns/auth', query => {
    const grant = granted(query)
    return 'errcode' in grant ? grant : { errcode: 0, errmsg: 'ok' }
  })

  /** /sns answers are JSON sent as text/plain. */
  function sns (path: string, answer: (query: Query) => object) {
    app.get<{ Querystring: Query }>(path, async (request, reply) => reply.type('text/plain').send(JSON.stringify(withRid(answer(request.query), state, ','))))
  }

  return { redeem, refresh }
}

export type Authorize = ReturnType<typeof authorize>
