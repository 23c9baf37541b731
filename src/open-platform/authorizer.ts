/** An account that has authorized the platform: its account options, and calls on its behalf. */
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

/** Spread it into the result of `accounts.find`: the enumerable members are account options. */
export interface Authorizer {
  readonly appId: string
  readonly tokenProvider: TokenProvider
  /** Mini program logins. */
  readonly sessionProvider: SessionProvider
  readonly component: AccountComponent
  readonly endpoints?: Endpoints
  readonly http?: HttpOptions
  /** The account's access_token, tickets, and calls on its behalf. Not enumerable. */
  readonly token: WechatToken
  /** Web-page logins. Not enumerable. */
  readonly oauth: WechatOAuth
  /** Redeems a `wx.login` code of its mini program; a code works once. Not enumerable. @throws WechatApiError 40029, 40163 */
  login (code: string): Promise<MiniProgramSession>
}

/** An `Authorizer` that can be closed. */
export interface ClosableAuthorizer extends Authorizer {
  close (): Promise<void>
}

export interface AuthorizerParts extends Omit<AccessTokenOptions, 'appId' | 'appSecret' | 'tokenProvider' | 'ticketProvider'> {
  component: Component
  refresh (appId: string): Promise<{ accessToken: string, expiresIn: number }>
}

export function createAuthorizer (appId: string, { component, refresh, endpoints, http, ...parts }: AuthorizerParts): ClosableAuthorizer {
  const options = { appId, tokenProvider: async () => await refresh(appId), sessionProvider: login, component: accountComponentOf(component), ...(endpoints && { endpoints }), ...(http && { http }) }
  let token: WechatToken | undefined
  let oauth: WechatOAuth | undefined

  async function login (code: string): Promise<MiniProgramSession> {
    if (!isCode(code)) throw new WechatInputError('code', 'is not a WeChat code')
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

/** The same object for all accounts of the platform, so that comparing an account's options finds no change. */
const accountComponents = new WeakMap<Component, AccountComponent>()

function accountComponentOf (component: Component): AccountComponent {
  let accountComponent = accountComponents.get(component)
  if (!accountComponent) accountComponents.set(component, accountComponent = { appId: component.appId, get: component.get, key: component.key })
  return accountComponent
}
