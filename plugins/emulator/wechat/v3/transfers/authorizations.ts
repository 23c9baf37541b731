/** A receiver's authorization: later transfers need no confirmation. */
import { chinaTime, openidProblem, rfc3339 } from '../../../state/state.ts'
import { notFound } from '../area.ts'
import type { V3Area } from '../area.ts'
import { BASE, newPackageInfo } from './bills.ts'
import { invalid, text } from '../shape.ts'
import type { Json } from '../shape.ts'
import { refuse } from '../wire.ts'
import type { V3Error } from '../wire.ts'

export interface Authorization {
  out_authorization_no: string
  authorization_id: string
  appid: string
  openid: string
  transfer_scene_id: string
  user_display_name: string
  user_recv_perception: string
  notify_url: string
  state: 'WAIT_USER_CONFIRM' | 'TAKING_EFFECT' | 'CLOSED'
  package_info: string
  at: string
  authorized: string
  closed: string
  close_reason: string
}

export const isAuthorization = (made: Authorization | V3Error): made is Authorization => 'out_authorization_no' in made

export function createAuthorizations ({ route, state, sendEvent }: V3Area) {
  const authorizations = state.memory.table<Authorization>('authorizations')
  const { account } = state

  function authorize (given: Json): Authorization | V3Error {
    const number = text(given.out_authorization_no)
    if (!/^[0-9A-Za-z]{1,32}$/.test(number)) return invalid('out_authorization_no')
    if (given.appid !== account.appId) return refuse(400, 'APPID_MCHID_NOT_MATCH', 'appid和mch_id不匹配', 268445527)
    if (openidProblem(state, text(given.openid))) return refuse(400, 'PARAM_ERROR', 'openid与appid不匹配', 268445527)
    const before = authorizations.get(number)
    if (before) return before.openid === given.openid && before.transfer_scene_id === given.transfer_scene_id ? before : refuse(400, 'ALREADY_EXISTS', '商户单号已存在，且参数与首次请求时不一致', 268498688)
    const made: Authorization = {
      out_authorization_no: number,
      authorization_id: '',
      appid: account.appId,
      openid: text(given.openid),
      transfer_scene_id: text(given.transfer_scene_id),
      user_display_name: text(given.user_display_name),
      user_recv_perception: text(given.user_recv_perception),
      notify_url: text(given.authorization_notify_url ?? given.notify_url),
      state: 'WAIT_USER_CONFIRM',
      package_info: newPackageInfo(state),
      at: chinaTime(state.now()),
      authorized: '',
      closed: '',
      close_reason: ''
    }
    authorizations.set(number, made)
    return made
  }

  const authorizationJson = (it: Authorization): Json => ({
    out_authorization_no: it.out_authorization_no,
    appid: it.appid,
    openid: it.openid,
    user_display_name: it.user_display_name,
    authorization_id: it.authorization_id,
    state: it.state,
    authorize_time: it.authorized && rfc3339(it.authorized),
    ...(it.closed && { close_info: { close_time: rfc3339(it.closed), close_reason: it.close_reason } }),
    transfer_scene_id: it.transfer_scene_id,
    user_recv_perception: it.user_recv_perception,
    create_time: rfc3339(it.at)
  })

  /** The receiver authorizes transfers, or the authorization ends. */
  function moveAuthorization (it: Authorization, to: 'TAKING_EFFECT' | 'CLOSED', reason = 'USER_CLOSE'): boolean {
    if (it.state === 'CLOSED' || it.state === to) return false
    it.state = to
    if (to === 'TAKING_EFFECT') {
      it.authorized = chinaTime(state.now())
      it.authorization_id = `1280${state.random.digits(24)}`
    } else {
      it.closed = chinaTime(state.now())
      it.close_reason = reason
    }
    const { create_time: _at, ...content } = authorizationJson(it)
    // Event names from Senparc's WeiXinMPSDK.
    sendEvent({ url: it.notify_url, type: `MCHTRANSFER.AUTHORIZATION.${to === 'CLOSED' ? 'CLOSED' : 'CONFIRMED'}`, originalType: 'mch_payment', summary: '用户授权免确认收款通知', content: { mchid: account.mchId, ...content } })
    return true
  }

  for (const [create, named, notify] of [[`${BASE}/user-confirm-authorization`, `${BASE}/user-confirm-authorization/out-authorization-no/:number`, 'authorization_notify_url!'], [`${BASE}/partner/user-confirm-authorizations`, `${BASE}/partner/user-confirm-authorizations/:number`, 'notify_url!']] as const) {
    route('POST', create, ({ body }) => {
      const made = authorize(body)
      return isAuthorization(made) ? { out_authorization_no: made.out_authorization_no, state: made.state, create_time: rfc3339(made.at), package_info: made.package_info } : made
    }, { body: ['out_authorization_no!', 'appid!', 'openid!', 'transfer_scene_id!', 'user_display_name!', 'user_recv_perception', notify, 'scene_info'] })
    route('GET', named, ({ params }) => {
      const it = authorizations.get(params.number as string)
      return it ? authorizationJson(it) : notFound('授权单不存在')
    })
    route('POST', `${named}/close`, ({ params }) => {
      const it = authorizations.get(params.number as string)
      if (!it) return notFound('授权单不存在')
      moveAuthorization(it, 'CLOSED', 'CLOSE_VIA_MCH_API')
      return authorizationJson(it)
    })
  }

  return {
    authorize,
    find: (number: string) => authorizations.get(number),
    byWechatNumber: (id: unknown) => [...authorizations.values()].find(({ authorization_id: known }) => known !== '' && known === id),
    move: moveAuthorization,
    toJson: authorizationJson
  }
}

export type Authorizations = ReturnType<typeof createAuthorizations>
