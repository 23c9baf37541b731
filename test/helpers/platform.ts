/** A minimal WeChat for one third-party platform, for tests of the client. */
import { fakeServer } from './fake-server.ts'
import { PLATFORM } from './push.ts'

export async function fakePlatform (t: { teardown (end: () => unknown): unknown }) {
  let serial = 0
  const state = {
    /** Unredeemed codes and their accounts. */
    codes: new Map<string, string>(),
    /** The valid refresh token of each account. */
    refreshTokens: new Map<string, string>(),
    /** Whether each refresh replaces the refresh token. */
    rotates: false,
    componentTokens: new Set<string>(),
    accessTokens: new Map<string, string>()
  }
  const count: Record<string, number> = {}
  const refused = (errcode: number, errmsg: string) => ({ errcode, errmsg: `${errmsg} rid: 6526a-1` })

  const server = await fakeServer((seen, reply) => {
    const url = new URL(seen.url, 'http://x')
    count[url.pathname] = (count[url.pathname] ?? 0) + 1
    const body = seen.body === '' ? {} : JSON.parse(seen.body) as Record<string, string>
    const query = Object.fromEntries(url.searchParams)
    const answer = (): object => {
      if (url.pathname === '/cgi-bin/component/api_component_token') {
        if (body.component_appsecret !== PLATFORM.componentAppSecret) return refused(40001, `invalid credential ${body.component_appsecret}`)
        if (!body.component_verify_ticket?.startsWith('ticket@@@')) return refused(61006, `component ticket is invalid ${body.component_verify_ticket}`)
        const component_access_token = `component${++serial}`
        state.componentTokens.add(component_access_token)
        return { component_access_token, expires_in: 7200 }
      }
      if (url.pathname === '/cgi-bin/component/api_start_push_ticket') return { errcode: 0, errmsg: 'in a normal state' }
      if (url.pathname === '/cgi-bin/ticket/getticket') return [...state.accessTokens.values()].includes(query.access_token as string) ? { errcode: 0, errmsg: 'ok', ticket: `jsapi${++serial}`, expires_in: 7200 } : refused(61003, 'component is not authorized by this account')
      if (!state.componentTokens.has(query.component_access_token as string)) return refused(40001, `invalid credential, access_token is invalid or not latest ${query.component_access_token}`)
      switch (url.pathname) {
        case '/cgi-bin/component/api_create_preauthcode': return { pre_auth_code: `preauthcode@@@p${++serial}`, expires_in: 1800 }
        case '/cgi-bin/component/api_query_auth': {
          const appId = state.codes.get(body.authorization_code as string)
          if (!appId) return refused(61009, `code is invalid ${body.authorization_code}`)
          state.codes.delete(body.authorization_code as string)
          const authorizer_refresh_token = `refreshtoken@@@r${++serial}`
          const authorizer_access_token = `shop${++serial}`
          state.refreshTokens.set(appId, authorizer_refresh_token)
          state.accessTokens.set(appId, authorizer_access_token)
          return { authorization_info: { authorizer_appid: appId, authorizer_access_token, expires_in: 7200, authorizer_refresh_token, func_info: [{ funcscope_category: { id: 1 } }, { funcscope_category: { id: 15 } }] } }
        }
        case '/cgi-bin/component/api_authorizer_token': {
          const appId = body.authorizer_appid as string
          const current = state.refreshTokens.get(appId)
          if (current === undefined) return refused(61003, 'component is not authorized by this account')
          if (current !== body.authorizer_refresh_token) return refused(61023, `refresh_token is invalid ${body.authorizer_refresh_token}`)
          if (state.rotates) state.refreshTokens.set(appId, `refreshtoken@@@r${++serial}`)
          const authorizer_access_token = `shop${++serial}`
          state.accessTokens.set(appId, authorizer_access_token)
          return { authorizer_access_token, expires_in: 7200, authorizer_refresh_token: state.refreshTokens.get(appId) }
        }
        case '/cgi-bin/component/api_get_authorizer_list': {
          const list = [...state.refreshTokens].map(([authorizer_appid, refresh_token]) => ({ authorizer_appid, refresh_token, auth_time: 1_700_000_000 }))
          return { total_count: list.length, list: list.slice(Number(body.offset), Number(body.offset) + 1) }
        }
        case '/sns/oauth2/component/access_token': return query.code === 'goodcode' && query.component_appid === PLATFORM.componentAppId
          ? { access_token: 'visitor-token', expires_in: 7200, refresh_token: 'visitor-refresh', openid: `openid-${query.appid}`, scope: 'snsapi_base' }
          : refused(40029, `invalid code ${query.code}`)
        case '/sns/component/jscode2session': return query.js_code === 'goodcode'
          ? { session_key: 'c2Vzc2lvbi1rZXktMTIzNA==', openid: `mini-${query.appid}` }
          : refused(40029, `invalid code ${query.js_code}`)
        default: return refused(40066, 'invalid url')
      }
    }
    reply.end(JSON.stringify(answer()))
  })
  t.teardown(server.close)

  /** The owner authorizes the platform; returns the code. */
  function allow (appId: string): string {
    const code = `queryauthcode@@@c${++serial}`
    state.codes.set(code, appId)
    return code
  }
  return { ...server, endpoints: { api: server.origin, open: 'http://open.test', mp: 'http://mp.test' }, state, count, allow }
}
