/** Mini program login: exchanges a `wx.login` code for an openid and a session key. WeChat's documentation of code2Session. */
import { WechatConfigError, WechatInputError, WechatReplyError } from '../errors.ts'
import type { Api } from '../official-account/api.ts'
import { isCode, OPENID } from '../official-account/oauth.ts'
import { askProvider } from '../official-account/provider.ts'
import { isSessionKey } from './session-key.ts'

export interface MiniProgramSession {
  openid: string
  /** If the mini program is bound to an Open Platform account. */
  unionid?: string
  /** The session key, base64. Not enumerable, so it stays out of JSON: the page must never get it. */
  readonly sessionKey: string
}

/**
 * Exchanges a `wx.login` code instead of WeChat's jscode2session, which needs the appSecret. The Open Platform does this on
 * behalf of a mini program. Called once per code, because a code works once.
 */
export type SessionProvider = (code: string) => Promise<{ openid: string, sessionKey: string, unionid?: string | undefined }>

export interface LoginParts {
  appId: string
  /** Undefined with `sessionProvider`, or if no logins are needed. */
  appSecret: string | undefined
  sessionProvider: SessionProvider | undefined
  api: Api
}

const PATH = '/sns/jscode2session'

/** @throws WechatApiError 40029, 40163, 40226 (403), 45011 (503), -1; WechatInputError; WechatReplyError; WechatNetworkError */
export async function redeemLoginCode ({ appId, appSecret, sessionProvider, api }: LoginParts, code: string): Promise<MiniProgramSession> {
  if (!isCode(code)) throw new WechatInputError('code', 'is not a code of wx.login')
  if (sessionProvider) {
    const { openid, sessionKey, unionid } = await askProvider('sessionProvider', () => sessionProvider(code))
    return asSession('sessionProvider', openid, sessionKey, unionid)
  }
  if (appSecret === undefined) throw new WechatConfigError('appSecret', 'is required for mini program logins, unless sessionProvider is given')
  // Not repeatable: a code works once, so repeating a successful call would only return "code been used".
  const answer = await api.json({ path: PATH, query: { appid: appId, secret: appSecret, js_code: code, grant_type: 'authorization_code' }, repeatable: false })
  return asSession(PATH, answer.openid, answer.session_key, answer.unionid)
}

/** @throws WechatReplyError that names `what` */
export function asSession (what: string, openid: unknown, sessionKey: unknown, unionid: unknown): MiniProgramSession {
  if (typeof openid !== 'string' || !OPENID.test(openid)) throw new WechatReplyError(what, 'the answer has no usable openid')
  if (!isSessionKey(sessionKey)) throw new WechatReplyError(what, 'the answer has no usable session_key')
  return withSessionKey({ openid, ...(typeof unionid === 'string' && unionid !== '' && { unionid }) }, sessionKey)
}

/** Not enumerable: invisible to JSON, logs and copies. */
export function withSessionKey (visitor: Omit<MiniProgramSession, 'sessionKey'>, sessionKey: string): MiniProgramSession {
  return Object.defineProperty(visitor, 'sessionKey', { value: sessionKey, enumerable: false }) as MiniProgramSession
}
