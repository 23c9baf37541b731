/** Mini program logins: the codes of `wx.login`, jscode2session, and session keys. */
import { createHmac } from 'node:crypto'
import { userOf } from '../../state/state.ts'
import type { Timed, State } from '../../state/state.ts'
import type { OfficialAccount } from '../official-account.ts'
import { refuse, withRid } from '../wire.ts'
import type { Routes } from '../routes.ts'

type Query = Record<string, string | undefined>

/** A code from `wx.login`. */
export interface LoginCode extends Timed {
  code: string
  openid: string
  /** ISO 8601. */
  at: string
  /** `blocked`: the user is flagged as high risk. */
  state: 'issued' | 'redeemed' | 'blocked'
}

/** Lifetime of a code in milliseconds. */
export const CODE_LIFE = 300_000
/** Maximum logins of one user per minute. WeChat's documentation of code2Session. */
const MOST_LOGINS = 100

export function logins (app: Routes, state: State, account: OfficialAccount) {
  const codes = state.memory.table<LoginCode>('jsCodes')
  const sessions = state.memory.table<string>('sessionKeys')
  const times = state.memory.table<number[]>('loginTimes')

  function isTooOften (openid: string): boolean {
    const now = state.now()
    const recent = (times.get(openid) ?? []).filter(at => at > now - 60_000)
    times.set(openid, [...recent, now].slice(-MOST_LOGINS))
    return recent.length >= MOST_LOGINS
  }

  function newSession (openid: string): string {
    const key = Buffer.from(state.random.hex(16), 'hex').toString('base64')
    sessions.set(openid, key)
    return key
  }

  /** Also called by the Open Platform on behalf of this mini program. */
  function redeem (jsCode: string | undefined): object {
    if (!jsCode) return refuse(41008, 'missing code')
    const code = codes.get(jsCode)
    // The same code for expired and unknown codes is a guess.
    if (!code || code.until <= state.now()) return refuse(40029, 'invalid code')
    if (code.state === 'redeemed') return refuse(40163, 'code been used')
    if (code.state === 'blocked') return refuse(40226, 'code blocked')
    if (isTooOften(code.openid)) return refuse(45011, 'api minute-quota reach limit mustslower retry next minute')
    code.state = 'redeemed'
    // As recorded: session_key first, and no errcode.
    return { session_key: newSession(code.openid), openid: code.openid }
  }

  app.get<{ Querystring: Query }>('/sns/jscode2session', async ({ query }, reply) => {
    const problem = query.appid !== state.account.appId
      ? refuse(40013, 'invalid appid')
      : query.secret !== state.account.appSecret
        ? refuse(40125, 'invalid appsecret, view more at http://t.cn/RAEkdVq')
        : query.grant_type !== 'authorization_code' ? refuse(40002, 'invalid grant_type') : undefined
    return reply.type('text/plain').send(JSON.stringify(withRid(problem ?? redeem(query.js_code), state, ',')))
  })

  /** The signed message is empty, and the HMAC key is the session key's text, as in WeChat's documentation "User login signature". */
  function isSigned ({ openid = '', sig_method: method, signature }: Query): boolean {
    const key = sessions.get(openid)
    return key !== undefined && method === 'hmac_sha256' && createHmac('sha256', key).update('').digest('hex') === signature
  }

  app.get<{ Querystring: Query }>('/wxa/checksession', async ({ query }) =>
    withRid(account.tokenProblem(query.access_token) ?? (isSigned(query) ? { errcode: 0, errmsg: 'ok' } : refuse(87009, 'invalid signature')), state))

  // No recorded reply was found: the members are from WeChat's documentation of ResetUserSessionKey.
  app.get<{ Querystring: Query }>('/wxa/resetusersessionkey', async ({ query }) => {
    const { openid = '' } = query
    return withRid(account.tokenProblem(query.access_token) ?? (isSigned(query) ? { errcode: 0, errmsg: 'ok', openid, session_key: newSession(openid) } : refuse(87009, 'invalid signature')), state)
  })

  return {
    redeem,
    /** The code that `wx.login` returns to this visitor's page. `isBlocked`: the visitor is flagged as high risk (40226). */
    loginCode (openid?: string, isBlocked = false): string {
      const code = `0${state.random.word(31)}`
      const now = state.now()
      codes.set(code, { code, openid: userOf(state, openid).openid, at: new Date(now).toISOString(), state: isBlocked ? 'blocked' : 'issued', until: now + CODE_LIFE })
      state.events.emit('change')
      return code
    },
    sessionKey: (openid: string) => sessions.get(openid)
  }
}

export type Logins = ReturnType<typeof logins>
