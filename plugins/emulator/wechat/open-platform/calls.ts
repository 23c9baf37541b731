/** api.weixin.qq.com/cgi-bin/component: a platform's calls, and checks of its calls with an account's token. */
import type { State } from '../../state/state.ts'
import { bodyJson, refuse, withRid } from '../wire.ts'
import type { OpenPlatform, Shop } from './component.ts'
import type { Routes } from '../routes.ts'

type Given = Record<string, unknown>
type Query = Record<string, string | undefined>

const text = (value: unknown) => typeof value === 'string' ? value : ''
const DONE = { errcode: 0, errmsg: 'ok' }

/** Page size limit. */
const LISTED = 500

/** Allowed values and defaults of the options by name. */
const OPTIONS: Readonly<Record<string, { values: readonly string[], first: string }>> = {
  location_report: { values: ['0', '1', '2'], first: '0' },
  voice_recognize: { values: ['0', '1'], first: '0' },
  customer_service: { values: ['0', '1'], first: '0' }
}

export function componentCalls (app: Routes, state: State, platform: OpenPlatform): void {
  const { account, pushes, active, shopOf } = platform

  // Before any account call: does the platform's token allow it?
  app.addHook<{ Querystring: Query }>('preHandler', async (request, reply) => {
    const [path = ''] = request.url.slice(app.prefix.length).split('?')
    if (!/^\/(?:cgi-bin|wxa)\//.test(path) || path.startsWith('/cgi-bin/component')) return
    const { access_token: token, appid } = request.query
    const wrong = path === '/cgi-bin/token' && appid === account.appId
      ? refuse(61024, 'must use api(api_component_token) to get token for component acct')
      : token ? platform.callProblem(token, path) : undefined
    if (wrong) return reply.type('application/json; charset=utf-8').send(JSON.stringify(withRid(wrong, state)))
  })

  function post (name: string, answer: (given: Given, token: string | undefined) => object): void {
    app.post<{ Querystring: Query }>(`/cgi-bin/component/${name}`, async request => {
      const given = bodyJson(request)
      if (!given) return refuse(47001, 'data format error')
      // WeChat's older and newer documentation use different names.
      return answer(given, request.query.component_access_token ?? request.query.access_token)
    })
  }

  function appIdProblem ({ component_appid: id }: Given) {
    if (!id) return refuse(41002, 'appid missing')
    if (id !== account.appId) return refuse(40013, 'invalid appid')
  }

  function secretProblem (given: Given, secret: unknown) {
    const wrong = appIdProblem(given)
    if (wrong) return wrong
    if (!secret) return refuse(41004, 'appsecret missing')
    if (secret !== account.appSecret) return refuse(40125, 'invalid appsecret, view more at http://t.cn/RAEkdVq')
  }

  /** A call with the component_access_token. */
  function call (name: string, answer: (given: Given) => object): void {
    post(name, (given, token) => platform.tokenProblem(token) ?? appIdProblem(given) ?? answer(given))
  }

  /** A call about one account, which must have authorized the platform. */
  function about (name: string, answer: (shop: Shop, given: Given) => object): void {
    call(name, given => {
      const shop = shopOf(text(given.authorizer_appid))
      if (!shop) return refuse(40013, 'invalid appid')
      return active(shop.state.account.appId) ? answer(shop, given) : refuse(61003, 'component is not authorized by this account')
    })
  }

  post('api_start_push_ticket', given => {
    const wrong = secretProblem(given, given.component_secret)
    if (wrong) return wrong
    if (pushes.isPushing() && pushes.hasAnswered()) return { errcode: 0, errmsg: 'in a normal state' }
    pushes.startPushing()
    return DONE
  })

  post('api_component_token', given => {
    const wrong = secretProblem(given, given.component_appsecret)
    if (wrong) return wrong
    const ticket = platform.ticketState(given.component_verify_ticket)
    if (ticket === 'invalid') return refuse(61006, 'component ticket is invalid')
    return ticket === 'expired' ? refuse(61005, 'component ticket is expired') : platform.issueToken()
  })

  call('api_create_preauthcode', platform.createPreAuthCode)
  call('api_query_auth', given => platform.queryAuth(text(given.authorization_code)))
  call('api_authorizer_token', given => platform.refresh(text(given.authorizer_appid), given.authorizer_refresh_token))

  about('api_get_authorizer_info', ({ name, state: { account: { appId } } }) => {
    const authorization = active(appId)
    return {
      authorizer_info: {
        nick_name: name || '模拟器帐号',
        head_img: '',
        service_type_info: { id: 2 },
        verify_type_info: { id: 0 },
        user_name: `gh_${appId.slice(-12)}`,
        alias: '',
        qrcode_url: '',
        business_info: { open_pay: 1, open_shake: 0, open_scan: 0, open_card: 0, open_store: 0 },
        idc: 1,
        principal_name: '模拟器',
        signature: '',
        account_status: 1
      },
      authorization_info: authorization && { authorizer_appid: appId, authorizer_refresh_token: authorization.refresh_token, func_info: platform.funcInfo(authorization) }
    }
  })

  // Platforms recover lost refresh tokens with this call.
  call('api_get_authorizer_list', ({ offset = 0, count = LISTED }) => {
    const [from, many] = [Number(offset), Number(count)]
    if (!Number.isInteger(from) || from < 0 || !Number.isInteger(many) || many < 1 || many > LISTED) return refuse(40097, 'invalid args')
    const all = platform.authorizations().filter(({ state }) => state === 'authorized')
    return {
      total_count: all.length,
      list: all.slice(from, from + many).map(({ authorizer_appid: appid, refresh_token: token, authorized_at: at }) => ({ authorizer_appid: appid, refresh_token: token, auth_time: Math.floor(at / 1000) }))
    }
  })

  about('api_get_authorizer_option', ({ state: { memory, account: { appId } } }, given) => {
    const option = OPTIONS[text(given.option_name)]
    if (!option) return refuse(61012, 'invalid option name')
    return { authorizer_appid: appId, option_name: given.option_name, option_value: memory.table<string>('componentOptions').get(text(given.option_name)) ?? option.first }
  })

  about('api_set_authorizer_option', ({ state: { memory } }, given) => {
    const option = OPTIONS[text(given.option_name)]
    if (!option) return refuse(61012, 'invalid option name')
    if (!option.values.includes(String(given.option_value))) return refuse(61013, 'invalid option value')
    memory.table<string>('componentOptions').set(text(given.option_name), String(given.option_value))
    return DONE
  })
}
