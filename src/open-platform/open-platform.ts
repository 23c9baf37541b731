/** A third-party platform (第三方平台): its ticket and tokens, the accounts that authorize it, and what they need. */
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
  /** 消息加解密Key: 43 characters; a list while it changes, all of which are understood. */
  encodingAesKey: string | string[]
  /** The owner has withdrawn. Resolve when it is recorded. Called again after a throw. */
  onUnauthorized?: (appId: string) => unknown
  endpoints?: Endpoints
  http?: HttpOptions
}

export interface PlatformParts {
  /** Shared by all processes. Without one that outlives the process, a restart waits ten minutes for the next ticket. */
  store?: Store
  log?: Log
  clock?: Clock
  /** Called when what was known of this account is void: it was authorized anew, or no longer. */
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
  /** Any call of the platform's own, such as `/cgi-bin/component/api_get_authorizer_info`, with its token added. */
  request<T extends object = JsonObject> (path: string, call?: PlatformCall): Promise<T>
  /** What an account that has authorized needs; spread it into what `accounts.find` gives. */
  authorizer (appId: string): Authorizer
  /** Where to send the owner of an account; good once, for half an hour. */
  authorizeUrl (page: AuthorizePage): Promise<string>
  /** For a callback of your own: redeems the `auth_code`, and hands the authorization to `onAuthorized`. */
  redeem (code: string): Promise<Redeemed>
  /** All accounts that allow this platform, with their refresh tokens: for one that lost them. */
  authorizers (): AsyncGenerator<{ appId: string, readonly refreshToken: string, /** Seconds since 1970. */ authorizedAt: number }>
  /** Asks WeChat to begin pushing tickets: once, when the platform is new. */
  startPushTicket (): Promise<void>
  status (): CredentialStatus
}

/** With what the plugin's routes need. */
export interface OpenPlatform extends WechatOpenPlatform {
  /** @throws WechatNotificationError */
  read (query: Readonly<Record<string, unknown>>, body: Uint8Array): ReadPush
  /** Resolves when it is done and written. @throws what a handler throws */
  handle (push: Push): Promise<void>
  /** Hands over what the application has not acknowledged; never throws. */
  handOverAll (): Promise<void>
  /** For login cookies. */
  key (use: string): Uint8Array
  disconnect (): Promise<void>
}

/** How many accounts are kept ready. */
const KEPT = 10_000
/** Milliseconds in which an event may still be sent again. */
const EVENTS_REPEATED = 86_400_000

/** @throws WechatConfigError naming the option that is missing or wrong */
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
      // A little less than it lives, as for those that are asked for.
      if (life > 0 && life <= 86_400_000) await store.set(accountKey(appId, 'access_token'), accessToken, life - Math.min(10_000, life / 20)).catch(() => { /* it will be asked for */ })
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

  /** Its tokens must not be used any more, by whichever process. */
  async function dropTokens (appId: string): Promise<void> {
    const held = await store.read(accountKey(appId, 'access_token'))
    if (held) await authorizer(appId).token.invalidate(held.value)
    for (const type of ['jsapi', 'wx_card']) {
      const key = accountKey(appId, `ticket:${type}`)
      const ticket = await store.read(key)
      if (ticket) await store.delete(key, ticket.value)
    }
  }

  const authorizedAt = (appId: string) => accountKey(componentAppId, `authorized_at:${appId}`)

  async function withdrawn (appId: string, createdAt: number): Promise<void> {
    const since = Number((await store.read(authorizedAt(appId)))?.value ?? 0)
    if (since > createdAt) return log.info({ appId }, 'fastify-wechat-pay: an account withdrew and authorized again; the withdrawal arrived late, and is left alone')
    await authorizations.drop(appId)
    await dropTokens(appId)
    release(appId)
    await onUnauthorized?.(appId)
    // Once more: what was looked up while the application still had its records.
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
      if (typeof preAuthCode !== 'string' || !/^[\x21-\x7e]{1,512}$/.test(preAuthCode)) throw new WechatReplyError(path, 'WeChat answered without a usable pre_auth_code')
      return authorizePage({ ...endpoints, componentAppId, preAuthCode }, page)
    },

    async handle (push) {
      switch (push.kind) {
        case 'ticket':
          await ticket.keep(push.ticket, push.createdAt)
          // Every ten minutes: what the application would not take, it is offered again.
          authorizations.handOverAll().catch(() => {})
          return
        case 'authorized':
        case 'updateauthorized':
          await store.set(authorizedAt(push.appId), String(push.createdAt), EVENTS_REPEATED)
          await authorizations.redeem(push.code, { reason: push.kind, appId: push.appId })
          return
        case 'unauthorized': return await withdrawn(push.appId, push.createdAt)
        case 'other': log.info({ infoType: push.infoType }, 'fastify-wechat-pay: WeChat pushed an event that is not about authorizations; it is acknowledged')
      }
    },

    async disconnect () {
      authorizers.clear()
      await component.disconnect()
    }
  }
}

function requireCode (code: unknown): string {
  if (!isAuthCode(code)) throw new WechatInputError('code', 'is not a code of WeChat\'s')
  return code
}

function requireAppId (appId: unknown): asserts appId is string {
  if (typeof appId !== 'string' || !/^[0-9A-Za-z_-]{1,64}$/.test(appId)) throw new WechatInputError('appId', 'is not the appId of an account', 404)
}
