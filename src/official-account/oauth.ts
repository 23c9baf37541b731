/** Web-page authorization: identifies the visitor of a page inside WeChat. WeChat's documentation "Web authorization". */
import { WechatInputError, WechatReplyError } from '../errors.ts'
import { createHttp } from '../http/http.ts'
import { checkCoreOptions } from '../option-shapes.ts'
import { requireId, requireSecret, resolveEndpoints } from '../options.ts'
import type { AccountOptions } from './access-token.ts'
import { createApi } from './api.ts'
import type { JsonObject } from './api.ts'

export type OAuthScope = 'snsapi_base' | 'snsapi_userinfo'

export interface AuthorizeUrlOptions {
  /** Absolute URL that WeChat sends the visitor back to; its domain is registered in WeChat's console. */
  redirectUri: string
  scope: OAuthScope
  /** 1 to 128 letters and digits. */
  state: string
  /** Ask for consent again even if the visitor gave it before. */
  forcePopup?: boolean
}

/** The visitor's own tokens: not the account's access_token. They must never reach the browser. */
export interface OAuthTokens {
  openid: string
  accessToken: string
  refreshToken: string
  /** Seconds. */
  expiresIn: number
  scope: string
  unionid?: string
  /** A virtual account of WeChat's "snapshot page" mode, not a real user. */
  isSnapshotUser: boolean
}

export interface OAuthUserinfo {
  openid: string
  nickname: string
  headimgurl: string
  sex: number
  province: string
  city: string
  country: string
  privilege: string[]
  unionid?: string
}

export interface WechatOAuth {
  /** The URL to send the visitor to. @throws WechatInputError */
  authorizeUrl (options: AuthorizeUrlOptions): string
  /** Exchanges a one-time code. @throws WechatApiError 40029, 40163, 42003 (403); WechatInputError; WechatReplyError */
  exchange (code: string): Promise<OAuthTokens>
  /** Exchanges a refresh_token (valid for 30 days) for new tokens. */
  refresh (refreshToken: string): Promise<OAuthTokens>
  /** Name and picture; needs `snsapi_userinfo`. */
  userinfo (accessToken: string, openid: string): Promise<OAuthUserinfo>
  /** Whether the visitor's access_token still works. */
  check (accessToken: string, openid: string): Promise<boolean>
  /** Call it without Fastify, at the end of a script or worker: closes connections to WeChat that no other client of the process uses. */
  disconnect (): Promise<void>
}

/** The part of a third-party platform that an authorizing account needs; included in `app.wechatOpenPlatform.authorizer(appId)`. */
export interface AccountComponent {
  /** component_appid. */
  readonly appId: string
  /** A GET call to api.weixin.qq.com, with component_appid and component_access_token added to the query. */
  get (path: string, query: Readonly<Record<string, string>>): Promise<JsonObject>
  /** 32 bytes derived from the platform's secret for this use; the same in all its processes. */
  key (use: string): Uint8Array
}

export interface OAuthAccountOptions extends Omit<AccountOptions, 'appSecret'> {
  /** Required unless `component`. */
  appSecret?: string
  /** The platform that logs in visitors on behalf of this account. */
  component?: AccountComponent
}

/** An openid: letters, digits, `-` and `_`; WeChat's have 28. */
export const OPENID = /^[0-9A-Za-z_-]{1,128}$/

/** @throws WechatConfigError naming the option that is missing or wrong */
export function createOAuth (options: OAuthAccountOptions): WechatOAuth {
  checkCoreOptions(options)
  const endpoints = resolveEndpoints(options.endpoints)
  const appid = requireId('appId', options.appId)
  const { component } = options
  const secret = component ? '' : requireSecret('appSecret', options.appSecret, 32, endpoints.api)
  const http = createHttp(options.http)
  const api = createApi(http, endpoints.api)

  /** The visitor's tokens, from WeChat or through the platform. Not repeatable: a code works once, and repeating a successful call only returns "code been used". */
  const requestTokens = async (call: 'access_token' | 'refresh_token', query: Record<string, string>) => asTokens(component
    ? await component.get(`/sns/oauth2/component/${call}`, query)
    : await api.json({ path: `/sns/oauth2/${call}`, query: { ...query, ...(call === 'access_token' && { secret }) }, repeatable: call === 'refresh_token' }))

  return {
    disconnect: http.disconnect,

    authorizeUrl (wanted) {
      if (typeof wanted !== 'object' || wanted === null) throw new WechatInputError('authorizeUrl', 'takes an object: { redirectUri, scope, state }')
      const { redirectUri, scope, state, forcePopup } = wanted
      if (!URL.canParse(redirectUri) || !/^https?:\/\//.test(redirectUri)) throw new WechatInputError('redirectUri', 'must be an absolute http(s) URL')
      if (scope !== 'snsapi_base' && scope !== 'snsapi_userinfo') throw new WechatInputError('scope', 'must be snsapi_base or snsapi_userinfo')
      if (typeof state !== 'string' || !/^[0-9A-Za-z]{1,128}$/.test(state)) throw new WechatInputError('state', 'must be 1 to 128 letters and digits')
      // WeChat requires exactly this order and the fragment.
      return `${endpoints.open}/connect/oauth2/authorize?appid=${encodeURIComponent(appid)}&redirect_uri=${encodeURIComponent(redirectUri)}` +
        `&response_type=code&scope=${scope}&state=${state}${forcePopup ? '&forcePopup=true' : ''}${component ? `&component_appid=${encodeURIComponent(component.appId)}` : ''}#wechat_redirect`
    },

    async exchange (code) {
      if (!isCode(code)) throw new WechatInputError('code', 'is not a WeChat code')
      return await requestTokens('access_token', { appid, code, grant_type: 'authorization_code' })
    },

    async refresh (refreshToken) {
      checkText('refreshToken', refreshToken)
      return await requestTokens('refresh_token', { appid, grant_type: 'refresh_token', refresh_token: refreshToken })
    },

    async userinfo (accessToken, openid) {
      checkText('accessToken', accessToken)
      checkText('openid', openid)
      const path = '/sns/userinfo'
      const answer = await api.json({ path, query: { access_token: accessToken, openid, lang: 'zh_CN' } })
      if (answer.openid !== openid) throw new WechatReplyError(path, 'the answer is about another user')
      const text = (name: string) => typeof answer[name] === 'string' ? answer[name] : ''
      return {
        openid,
        nickname: text('nickname'),
        headimgurl: text('headimgurl'),
        sex: Number(answer.sex ?? 0),
        province: text('province'),
        city: text('city'),
        country: text('country'),
        privilege: Array.isArray(answer.privilege) ? answer.privilege.map(String) : [],
        ...(typeof answer.unionid === 'string' && { unionid: answer.unionid })
      }
    },

    async check (accessToken, openid) {
      checkText('accessToken', accessToken)
      checkText('openid', openid)
      try {
        await api.json({ path: '/sns/auth', query: { access_token: accessToken, openid } })
        return true
      } catch (error) {
        if (/^4\d{4}$/.test(String((error as { wechatCode?: string }).wechatCode))) return false
        throw error
      }
    }
  }
}

function checkText (field: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') throw new WechatInputError(field, 'must be a string')
}

/** WeChat's codes are short and consist of letters, digits, `-` and `_`; anything else is refused without a call. */
export function isCode (code: unknown): code is string {
  return typeof code === 'string' && /^[0-9A-Za-z_-]{1,128}$/.test(code)
}

function asTokens (answer: JsonObject): OAuthTokens {
  const { openid, access_token: accessToken, refresh_token: refreshToken, scope, unionid } = answer
  if (typeof openid !== 'string' || !OPENID.test(openid) || typeof accessToken !== 'string' || accessToken === '') {
    throw new WechatReplyError('web authorization', 'WeChat\'s answer has no usable openid')
  }
  return {
    openid,
    accessToken,
    refreshToken: typeof refreshToken === 'string' ? refreshToken : '',
    expiresIn: Number(answer.expires_in ?? 0),
    scope: typeof scope === 'string' ? scope : '',
    ...(typeof unionid === 'string' && { unionid }),
    isSnapshotUser: Number(answer.is_snapshotuser ?? 0) === 1
  }
}
