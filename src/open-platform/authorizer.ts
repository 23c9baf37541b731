/** What an account needs that has authorized this platform: the options of an account, and what else can be done in its name. */
import { WechatInputError } from '../errors.ts'
import type { HttpOptions } from '../http/http.ts'
import { asSession } from '../mini-program/login.ts'
import type { MiniProgramSession, SessionProvider } from '../mini-program/login.ts'
import { createAccessToken } from '../official-account/access-token.ts'
import type { AccessTokenOptions, TokenProvider, WechatToken } from '../official-account/access-token.ts'
import { createOAuth, isCode } from '../official-account/oauth.ts'
import type { AccountComponent, WechatOAuth } from '../official-account/oauth.ts'
import type { Endpoints } from '../options.ts'
import type { Component } from './component.ts'

/** Spread it into what `accounts.find` gives: the enumerable members are an account's options. */
export interface Authorizer {
  readonly appId: string
  readonly tokenProvider: TokenProvider
  /** Logs in the visitors of its mini program. */
  readonly sessionProvider: SessionProvider
  readonly component: AccountComponent
  readonly endpoints?: Endpoints
  readonly http?: HttpOptions
  /** Its access_token, tickets, and any call in its name. Not enumerable. */
  readonly token: WechatToken
  /** Logins of its visitors. Not enumerable. */
  readonly oauth: WechatOAuth
  /** Who the visitor of its mini program is: `wx.login()`'s code, good once. Not enumerable. @throws WechatApiError 40029, 40163 */
  login (code: string): Promise<MiniProgramSession>
}

/** With its end. */
export interface ClosableAuthorizer extends Authorizer {
  close (): Promise<void>
}

export interface AuthorizerParts extends Omit<AccessTokenOptions, 'appId' | 'appSecret' | 'tokenProvider' | 'ticketProvider'> {
  component: Component
  refresh (appId: string): Promise<{ accessToken: string, expiresIn: number }>
}

export function createAuthorizer (appId: string, { component, refresh, endpoints, http, ...parts }: AuthorizerParts): ClosableAuthorizer {
  const options = { appId, tokenProvider: async () => await refresh(appId), sessionProvider: login, component: shown(component), ...(endpoints && { endpoints }), ...(http && { http }) }
  let token: WechatToken | undefined
  let oauth: WechatOAuth | undefined

  async function login (code: string): Promise<MiniProgramSession> {
    if (!isCode(code)) throw new WechatInputError('code', 'is not a code of WeChat\'s')
    const path = '/sns/component/jscode2session'
    const { openid, session_key: sessionKey, unionid } = await component.get(path, { appid: appId, js_code: code, grant_type: 'authorization_code' })
    return asSession(path, openid, sessionKey, unionid)
  }

  return Object.defineProperties(options, {
    token: { get: () => (token ??= createAccessToken({ ...parts, ...options })) },
    oauth: { get: () => (oauth ??= createOAuth(options)) },
    login: { value: login },
    close: { value: async () => { await Promise.all([token?.disconnect(), oauth?.disconnect()]) } }
  }) as typeof options & Pick<ClosableAuthorizer, 'token' | 'oauth' | 'login' | 'close'>
}

/** One for all accounts of the platform: a second look at their options finds them unchanged. */
const faces = new WeakMap<Component, AccountComponent>()

function shown (component: Component): AccountComponent {
  let face = faces.get(component)
  if (!face) faces.set(component, face = { appId: component.appId, get: component.get, key: component.key })
  return face
}
