/** A third-party platform (第三方平台): its ticket and tokens, and the accounts that authorize it. */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import { WechatConfigError, WechatInputError, WechatReplyError } from '../errors.ts'
import type { HttpOptions } from '../http/http.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { JsonObject } from '../official-account/api.ts'
import type { CredentialStatus } from '../official-account/credential.ts'
import { requireId, requireSecret, resolveEndpoints } from '../options.ts'
import type { Endpoints } from '../options.ts'
import { accountKey } from '../store/key.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { authorizePage } from './authorize-url.ts'
import type { AuthorizePage } from './authorize-url.ts'
import { createAuthorizations } from './authorizations.ts'
import type { AuthorizationHandlers, Redeemed } from './authorizations.ts'
import { createAuthorizer } from './authorizer.ts'
import type { Authorizer, ClosableAuthorizer } from './authorizer.ts'
import { createComponent } from './component.ts'
import { createMsgCrypt, isEncodingAesKey } from './msg-crypt.ts'
import { isAuthCode, readPush } from './push.ts'
import type { Push, ReadPush } from './push.ts'
import { createVerifyTicket } from './ticket.ts'

export interface PlatformOptions extends AuthorizationHandlers {
  /** AppID of the platform, from open.weixin.qq.com. */
  componentAppId: string
  /** Its AppSecret: 32 characters. */
  componentAppSecret: string
  /** 消息校验Token: 3 to 32 letters and digits. */
  token: string
  /** 消息加解密Key: 43 characters; a list during a key change, all of which are accepted. */
  encodingAesKey: string | string[]
  /** Called when the owner withdraws the authorization. Resolve when it is recorded. Called again after a throw. */
  onUnauthorized?: (appId: string) => unknown
  endpoints?: Endpoints
  http?: HttpOptions
}

export interface PlatformParts {
  /** Shared by all processes. If it does not survive a restart, the platform has no ticket for up to ten minutes afterwards. */
  store?: Store
  log?: Log
  clock?: Clock
  /** Called when an account's cached state is invalid: it was authorized again, or the authorization was withdrawn. */
  forget?: (appId: string) => void
}

export interface PlatformCall {
  /** Default: POST if `json` is given, else GET. */
  method?: 'GET' | 'POST'
  query?: Readonly<Record<string, string>>
  json?: unknown
}

export interface WechatOpenPlatform {
  readonly componentAppId: string
  /** The component_access_token. @throws WechatError `WECHAT_TICKET` (503); WechatApiError 61004, 61005, 61006 */
  token (): Promise<string>
  /** Any platform call, such as `/cgi-bin/component/api_get_authorizer_info`; the component_access_token is added. */
  request<T extends object = JsonObject> (path: string, call?: PlatformCall): Promise<T>
  /** The account options of an authorizing account; spread them into the result of `accounts.find`. */
  authorizer (appId: string): Authorizer
  /** The URL for an account's owner; works once, for half an hour. */
  authorizeUrl (page: AuthorizePage): Promise<string>
  /** For your own callback route: redeems the `auth_code`, and calls `onAuthorized`. */
  redeem (code: string): Promise<Redeemed>
  /** All authorizing accounts with their refresh tokens, from WeChat, to recover lost ones. */
  authorizers (): AsyncGenerator<{ appId: string, readonly refreshToken: string, /** Seconds since 1970. */ authorizedAt: number }>
  /** Asks WeChat to start pushing tickets; needed once for a new platform. */
  startPushTicket (): Promise<void>
  status (): CredentialStatus
}

/** Plus what the plugin's routes need. */
export interface OpenPlatform extends WechatOpenPlatform {
  /** @throws WechatNotificationError */
  read (query: Readonly<Record<string, unknown>>, body: Uint8Array): ReadPush
  /** Resolves when the event is handled and recorded. @throws errors of the handlers */
  handle (push: Push): Promise<void>
  /** Calls `onAuthorized` for unacknowledged authorizations; never throws. */
  handOverAll (): Promise<void>
  /** For login cookies. */
  key (use: string): Uint8Array
  disconnect (): Promise<void>
}

/** How many authorizers are cached. */
const KEPT = 10_000
/** How long WeChat may repeat an event, in milliseconds. */
const EVENTS_REPEATED = 86_400_000

/** @throws WechatConfigError that names the missing or wrong option */
export function createOpenPlatform (options: PlatformOptions, { store = createMemoryStore(), log = silent, clock = systemClock, forget = () => {} }: PlatformParts = {}): OpenPlatform {
  const { onAuthorized, refreshTokenOf, onUnauthorized, http } = options
  const endpoints = resolveEndpoints(options.endpoints)
  const componentAppId = requireId('componentAppId', options.componentAppId)
  const appSecret = requireSecret('componentAppSecret', options.componentAppSecret, 32, endpoints.api)
  const token = requireId('token', options.token, /^[0-9A-Za-z]{3,32}$/)
  const encodingAesKeys = [options.encodingAesKey ?? []].flat()
  if (encodingAesKeys.length === 0) throw new WechatConfigError('encodingAesKey', 'is required')
  if (!encodingAesKeys.every(isEncodingAesKey)) throw new WechatConfigError('encodingAesKey', 'must have 43 characters: letters and digits')
  for (const [name, value] of [['onAuthorized', onAuthorized], ['refreshTokenOf', refreshTokenOf]] as const) {
    if (typeof value !== 'function') throw new WechatConfigError(name, 'is required: without it, refresh tokens would be lost')
  }

  const ticket = createVerifyTicket(componentAppId, store)
  const component = createComponent({ appId: componentAppId, appSecret, api: endpoints.api, http, ticket, store, clock, log })
  const crypt = createMsgCrypt({ token, encodingAesKeys, receiverId: componentAppId })
  const authorizers = new LRUCache<string, ClosableAuthorizer>({ max: KEPT, dispose: kept => { kept.close().catch(() => {}) } })

  function release (appId: string): void {
    authorizers.delete(appId)
    forget(appId)
  }

  const authorizations = createAuthorizations({
    component,
    store,
    log,
    onAuthorized,
    refreshTokenOf,
    async onToken (appId, accessToken, expiresIn) {
      const life = Number(expiresIn) * 1000
      // Slightly less than its lifetime, like fetched tokens.
      if (life > 0 && life <= 86_400_000) await store.set(accountKey(appId, 'access_token'), accessToken, life - Math.min(10_000, life / 20)).catch(() => { /* it will be fetched */ })
      release(appId)
    }
  })

  function authorizer (appId: string): Authorizer {
    requireAppId(appId)
    let found = authorizers.get(appId)
    if (!found) {
      found = createAuthorizer(appId, { component, refresh: authorizations.refresh, store, log, clock, ...(options.endpoints && { endpoints: options.endpoints }), ...(http && { http }) })
      authorizers.set(appId, found)
    }
    return found
  }

  /** The account's tokens must no longer be used by any process. */
  async function dropTokens (appId: string): Promise<void> {
    const cached = await store.read(accountKey(appId, 'access_token'))
    if (cached) await authorizer(appId).token.invalidate(cached.value)
    for (const type of ['jsapi', 'wx_card']) {
      const key = accountKey(appId, `ticket:${type}`)
      const ticket = await store.read(key)
      if (ticket) await store.delete(key, ticket.value)
    }
  }

  const authorizedAt = (appId: string) => accountKey(componentAppId, `authorized_at:${appId}`)

  async function withdrawn (appId: string, createdAt: number): Promise<void> {
    const since = Number((await store.read(authorizedAt(appId)))?.value ?? 0)
    if (since > createdAt) return log.info({ appId }, 'fastify-wechat-pay: ignored a late withdrawal event of an account that has authorized again since')
    await authorizations.drop(appId)
    await dropTokens(appId)
    release(appId)
    await onUnauthorized?.(appId)
    // Again: it may have been cached while the application still had the account.
    await dropTokens(appId)
    release(appId)
  }

  return {
    componentAppId,
    token: component.token,
    key: component.key,
    startPushTicket: component.startPushTicket,
    status: component.status,
    authorizer,
    authorizers: authorizations.list,
    handOverAll: authorizations.handOverAll,
    redeem: async code => await authorizations.redeem(requireCode(code), { reason: 'authorized' }),
    read: (query, body) => readPush(crypt, componentAppId, query, body),

    async request<T extends object> (path: string, { query, ...call }: PlatformCall = {}) {
      if (!/^\/[a-z0-9]/i.test(path) || /[?#\\\s]/.test(path) || path.includes('..')) throw new WechatInputError('path', 'must be a plain path of api.weixin.qq.com; parameters go into query')
      return await component.call({ path, ...call, ...(query && { query }) }) as T
    },

    async authorizeUrl (page) {
      const path = '/cgi-bin/component/api_create_preauthcode'
      const { pre_auth_code: preAuthCode } = await component.call({ path, json: { component_appid: componentAppId }, repeatable: true })
      if (typeof preAuthCode !== 'string' || !/^[\x21-\x7e]{1,512}$/.test(preAuthCode)) throw new WechatReplyError(path, 'the answer has no usable pre_auth_code')
      return authorizePage({ ...endpoints, componentAppId, preAuthCode }, page)
    },

    async handle (push) {
      switch (push.kind) {
        case 'ticket':
          await ticket.keep(push.ticket, push.createdAt)
          // Every ten minutes: retry unacknowledged authorizations.
          authorizations.handOverAll().catch(() => {})
          return
        case 'authorized':
        case 'updateauthorized':
          await store.set(authorizedAt(push.appId), String(push.createdAt), EVENTS_REPEATED)
          await authorizations.redeem(push.code, { reason: push.kind, appId: push.appId })
          return
        case 'unauthorized': return await withdrawn(push.appId, push.createdAt)
        case 'other': log.info({ infoType: push.infoType }, 'fastify-wechat-pay: acknowledged and ignored an unknown event from WeChat')
      }
    },

    async disconnect () {
      authorizers.clear()
      await component.disconnect()
    }
  }
}

function requireCode (code: unknown): string {
  if (!isAuthCode(code)) throw new WechatInputError('code', 'is not a WeChat code')
  return code
}

function requireAppId (appId: unknown): asserts appId is string {
  if (typeof appId !== 'string' || !/^[0-9A-Za-z_-]{1,64}$/.test(appId)) throw new WechatInputError('appId', 'is not an appId', 404)
}
