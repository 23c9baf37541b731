/** api.weixin.qq.com: users, messages, menus and QR codes. All of these calls need a token. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { openidProblem } from '../state/state.ts'
import type { State } from '../state/state.ts'
import type { OfficialAccount } from './official-account.ts'
import { bodyJson, refuse, withRid } from './wire.ts'
import type { Routes } from './routes.ts'

export interface Message {
  /** WeChat's msgid for template messages. */
  id: string
  /** ISO 8601. */
  at: string
  kind: 'template' | 'subscribe' | 'custom'
  openid: string
  /** '' for customer-service messages. */
  template_id: string
  /** As the app sent it, without the token. */
  content: Record<string, unknown>
}

type Given = Record<string, unknown>
type Answer = object | Buffer | string

const text = (value: unknown) => typeof value === 'string' ? value : ''
const object = (value: unknown): Given => value !== null && typeof value === 'object' ? value as Given : {}
const DONE = { errcode: 0, errmsg: 'ok' }

/** Allowed values by field type, from WeChat's documentation of subscription messages. */
const FIELDS: Readonly<Record<string, RegExp>> = {
  thing: /^[^]{1,20}$/,
  number: /^-?\d{1,32}(\.\d+)?$/,
  letter: /^[A-Za-z]{1,32}$/,
  character_string: /^[\x20-\x7e]{1,32}$/,
  amount: /^[^\d]{0,3}\d{1,10}(\.\d+)?[^\d]{0,3}$/,
  phone_number: /^[\d +\-()]{1,17}$/,
  name: /^[^]{1,20}$/,
  phrase: /^[\u4e00-\u9fff]{1,5}$/,
  date: /\d/,
  time: /\d/
}

/** Registers a call that needs a token. A POST body must be JSON. */
export type AccountCall = (method: 'GET' | 'POST', path: string, answer: (given: Given, query: Record<string, string>) => Answer) => void

export function accountCalls (app: Routes, state: State, account: OfficialAccount): AccountCall {
  const send = (reply: FastifyReply, answer: Answer) => {
    if (Buffer.isBuffer(answer)) return reply.type('image/png').send(answer)
    return reply.type('application/json; charset=utf-8').send(typeof answer === 'string' ? answer : JSON.stringify(withRid(answer, state)))
  }
  return (method, path, answer) => {
    app.route<{ Querystring: Record<string, string> }>({
      method,
      url: path,
      async handler (request, reply) {
        const problem = account.tokenProblem(request.query.access_token)
        if (problem) return send(reply, problem)
        const given = method === 'GET' ? {} : bodyJson(request as FastifyRequest)
        return send(reply, given ? answer(given, request.query) : refuse(47001, 'data format error'))
      }
    })
  }
}

export function officialAccountCalls (app: Routes, state: State, account: OfficialAccount): void {
  const messages = state.memory.list<Message>('messages')
  const refusing = state.memory.table<true>('refusesMessages')
  const menu = state.memory.table<Given>('menu')
  const following = (openid: string) => state.users.some(user => user.openid === openid && !user.foreign && !user.snapshot)
  const call = accountCalls(app, state, account)

  // ---- Users. Nicknames and avatars have been empty since December 2021.
  function userInfo (openid: string, lang = 'zh_CN'): object {
    if (openidProblem(state, openid)) return refuse(40003, 'invalid openid')
    if (!following(openid)) return { subscribe: 0, openid, tagid_list: [] }
    return { subscribe: 1, openid, nickname: '', sex: 0, language: lang, city: '', province: '', country: '', headimgurl: '', subscribe_time: 1_577_836_800, remark: '', groupid: 0, tagid_list: [], subscribe_scene: 'ADD_SCENE_QR_CODE', qr_scene: 0, qr_scene_str: '' }
  }
  call('GET', '/cgi-bin/user/info', (_given, { openid = '', lang }) => userInfo(openid, lang))
  call('POST', '/cgi-bin/user/info/batchget', ({ user_list: list }) => {
    if (!Array.isArray(list) || list.length === 0 || list.length > 100) return refuse(40032, 'invalid openid list size')
    const infos = list.map(one => userInfo(text(object(one).openid), text(object(one).lang) || 'zh_CN'))
    return infos.find(info => 'errcode' in info) ?? { user_info_list: infos }
  })

  // ---- Messages. They are stored for inspection, not delivered.
  function keep (kind: Message['kind'], given: Given): Message {
    const message: Message = { id: `4${state.random.digits(18)}`, at: new Date(state.now()).toISOString(), kind, openid: text(given.touser), template_id: text(given.template_id), content: given }
    messages.push(message)
    state.events.emit('change')
    return message
  }
  const receiverProblem = (given: Given, mustFollow: boolean) => {
    const openid = text(given.touser)
    if (openidProblem(state, openid)) return refuse(40003, 'invalid openid')
    if (mustFollow && !following(openid)) return refuse(43004, 'require subscribe')
  }

  call('POST', '/cgi-bin/message/template/send', given => {
    const problem = receiverProblem(given, true)
    if (problem) return problem
    if (text(given.template_id) === '') return refuse(40037, 'invalid template_id')
    if (Object.keys(object(given.data)).length === 0) return refuse(47001, 'data format error')
    // msgid has 19 digits, beyond 2^53, so JSON.stringify cannot write it as a number.
    return `{"errcode":0,"errmsg":"ok","msgid":${keep('template', given).id}}`
  })

  for (const path of ['/cgi-bin/message/subscribe/bizsend', '/cgi-bin/message/subscribe/send']) {
    call('POST', path, given => {
      const problem = receiverProblem(given, false)
      if (problem) return problem
      if (text(given.template_id) === '') return refuse(40037, 'invalid template_id')
      for (const [name, field] of Object.entries(object(given.data))) {
        const rule = FIELDS[name.replace(/\d+$/, '')]
        if (!rule || !rule.test(text(object(field).value))) return refuse(47003, `argument invalid! data.${name}.value invalid`)
      }
      if (refusing.has(text(given.touser))) return refuse(43101, 'user refuse to accept the msg')
      keep('subscribe', given)
      return DONE
    })
  }

  call('POST', '/cgi-bin/message/custom/send', given => {
    const problem = receiverProblem(given, true)
    if (problem) return problem
    const kind = text(given.msgtype)
    if (kind === '') return refuse(40008, 'invalid message type')
    if (kind === 'text' && text(object(given.text).content) === '') return refuse(44004, 'empty content')
    keep('custom', given)
    return DONE
  })

  // ---- QR codes and menus.
  call('POST', '/cgi-bin/qrcode/create', given => {
    const scene = object(object(given.action_info).scene)
    const name = text(given.action_name)
    if (!['QR_SCENE', 'QR_STR_SCENE', 'QR_LIMIT_SCENE', 'QR_LIMIT_STR_SCENE'].includes(name)) return refuse(40099, 'invalid action name')
    if (scene.scene_id === undefined && text(scene.scene_str) === '') return refuse(40098, 'invalid scene')
    const isPermanent = name.startsWith('QR_LIMIT')
    const ticket = `gQ${state.random.word(70)}==`
    return { ticket, ...(!isPermanent && { expire_seconds: Math.min(2_592_000, Number(given.expire_seconds ?? 60)) }), url: `http://weixin.qq.com/q/${state.random.word(16)}` }
  })

  call('POST', '/cgi-bin/menu/create', given => {
    const { button } = given
    if (!Array.isArray(button) || button.length === 0 || button.length > 3) return refuse(40016, 'invalid button size')
    if (button.some(one => text(object(one).name) === '')) return refuse(40018, 'invalid button name size')
    menu.set('menu', { button })
    return DONE
  })
  call('GET', '/cgi-bin/menu/get', () => menu.has('menu') ? { menu: menu.get('menu') } : refuse(46003, 'menu no exist'))
  call('GET', '/cgi-bin/menu/delete', () => {
    menu.delete('menu')
    return DONE
  })

  call('POST', '/cgi-bin/clear_quota', given => {
    if (given.appid !== state.account.appId) return refuse(40013, 'invalid appid')
    account.clearQuotas()
    return DONE
  })
}
