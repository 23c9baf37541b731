/** A mini program's logins: what `wx.login` hands out, jscode2session that redeems it, and the session keys that come of it. */
import { createHmac } from 'node:crypto'
import { userOf } from '../../state/state.ts'
import type { Timed, State } from '../../state/state.ts'
import type { OfficialAccount } from '../official-account.ts'
import { refuse, withRid } from '../wire.ts'
import type { Routes } from '../routes.ts'

type Query = Record<string, string | undefined>

/** What `wx.login` handed to a page. */
export interface LoginCode extends Timed {
  code: string
  openid: string
  /** ISO 8601. */
  at: string
  /** `blocked`: of a user whom WeChat takes for a risk. */
  state: 'issued' | 'redeemed' | 'blocked'
}

/** Milliseconds that a code lives. */
export const CODE_LIFE = 300_000
/** Logins of one user within a minute. WeChat's document code2Session. */
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

  /** Called by jscode2session itself, and the Open Platform on behalf of this mini program. */
  function redeem (jsCode: string | undefined): object {
    if (!jsCode) return refuse(41008, 'missing code')
    const code = codes.get(jsCode)
    // That an old one is told like an unknown one is a guess.
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

  /** Signed over nothing; the HMAC's key is the session key's text, as in the example of WeChat's document "User login signature". */
  function isSigned ({ openid = '', sig_method: method, signature }: Query): boolean {
    const key = sessions.get(openid)
    return key !== undefined && method === 'hmac_sha256' && createHmac('sha256', key).update('').digest('hex') === signature
  }

  app.get<{ Querystring: Query }>('/wxa/checksession', async ({ query }) =>
    withRid(account.tokenProblem(query.access_token) ?? (isSigned(query) ? { errcode: 0, errmsg: 'ok' } : refuse(87009, 'invalid signature')), state))

  // No recorded reply was found: the members are those of WeChat's document ResetUserSessionKey.
  app.get<{ Querystring: Query }>('/wxa/resetusersessionkey', async ({ query }) => {
    const { openid = '' } = query
    return withRid(account.tokenProblem(query.access_token) ?? (isSigned(query) ? { errcode: 0, errmsg: 'ok', openid, session_key: newSession(openid) } : refuse(87009, 'invalid signature')), state)
  })

  return {
    redeem,
    /** What `wx.login` hands to the page of this visitor. `isBlocked`: WeChat takes them for a risk. */
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
