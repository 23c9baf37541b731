/** A mini program's login, and the telephone number that its visitor hands over. */
import { createHmac } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { userOf } from '../state/state.ts'
import type { Timed, State } from '../state/state.ts'
import type { OfficialAccount } from './official-account.ts'
import { bodyJson, refuse, withRid } from './wire.ts'

type Query = Record<string, string | undefined>
interface Code extends Timed { openid: string, used: boolean }

/** Milliseconds that what `wx.login` and the number's button hand out lives. */
const CODE_LIFE = 300_000

export function miniProgram (app: FastifyInstance, state: State, account: OfficialAccount) {
  const logins = state.memory.table<Code>('jsCodes')
  const phones = state.memory.table<Code & { phone: string }>('phoneCodes')
  const sessions = state.memory.table<string>('sessionKeys')
  const until = () => state.now() + CODE_LIFE

  function codeProblem (code: Code | undefined) {
    if (!code || code.until <= state.now()) return refuse(40029, 'invalid code')
    if (code.used) return refuse(40163, 'code been used')
  }

  // As recorded: session_key first, and no errcode where it went well.
  app.get<{ Querystring: Query }>('/sns/jscode2session', async ({ query }, reply) => {
    const send = (answer: object) => reply.type('text/plain').send(JSON.stringify(withRid(answer, state, ',')))
    if (query.appid !== state.account.appId) return send(refuse(40013, 'invalid appid'))
    if (query.secret !== state.account.appSecret) return send(refuse(40125, 'invalid appsecret, view more at http://t.cn/RAEkdVq'))
    if (query.grant_type !== 'authorization_code') return send(refuse(40002, 'invalid grant_type'))
    return send(redeem(query.js_code))
  })

  function redeem (jsCode: string | undefined): object {
    if (!jsCode) return refuse(41008, 'missing code')
    const code = logins.get(jsCode)
    const problem = codeProblem(code)
    if (problem) return problem
    const { openid } = code as Code
    ;(code as Code).used = true
    const key = Buffer.from(state.random.hex(16), 'hex').toString('base64')
    sessions.set(openid, key)
    return { session_key: key, openid }
  }

  // Whether a session key is still the visitor's: signed with it, over nothing.
  app.get<{ Querystring: Query }>('/wxa/checksession', async ({ query }) => {
    const problem = account.tokenProblem(query.access_token)
    if (problem) return withRid(problem, state)
    const key = sessions.get(query.openid ?? '')
    const isRight = key !== undefined && query.sig_method === 'hmac_sha256' && createHmac('sha256', Buffer.from(key, 'base64')).update('').digest('hex') === query.signature
    return isRight ? { errcode: 0, errmsg: 'ok' } : withRid(refuse(87009, 'invalid signature'), state)
  })

  app.post<{ Querystring: Query }>('/wxa/business/getuserphonenumber', async request => {
    const problem = account.tokenProblem(request.query.access_token)
    if (problem) return withRid(problem, state)
    const code = phones.get(String(bodyJson(request)?.code))
    const wrong = codeProblem(code)
    if (wrong || !code) return withRid(wrong ?? refuse(40029, 'invalid code'), state)
    code.used = true
    return { errcode: 0, errmsg: 'ok', phone_info: { phoneNumber: code.phone, purePhoneNumber: code.phone, countryCode: '86', watermark: { timestamp: Math.floor(state.now() / 1000), appid: state.account.appId } } }
  })

  return {
    /** A js_code's session, for whoever may ask. */
    redeem,
    /** What `wx.login` hands to the page of this visitor. */
    loginCode (openid?: string): string {
      const code = `0${state.random.word(31)}`
      logins.set(code, { openid: userOf(state, openid).openid, used: false, until: until() })
      return code
    },
    /** What the button of a telephone number hands to the page. */
    phoneCode (phone = '13800000000'): string {
      const code = state.random.hex(32)
      phones.set(code, { openid: '', phone, used: false, until: until() })
      return code
    }
  }
}

export type MiniProgram = ReturnType<typeof miniProgram>
