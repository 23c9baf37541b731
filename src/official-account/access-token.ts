/** The account's global access_token: WeChat's "Get stable access token" (default) or "Get access token". */
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { WechatInputError } from '../errors.ts'
import { createHttp } from '../http/http.ts'
import type { HttpOptions } from '../http/http.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { checkCoreOptions } from '../option-shapes.ts'
import { requireId, requireSecret, resolveEndpoints } from '../options.ts'
import type { Endpoints } from '../options.ts'
import { accountKey } from '../store/key.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { createApi } from './api.ts'
import type { JsonObject } from './api.ts'
import { createCredential } from './credential.ts'
import type { Credential, CredentialStatus } from './credential.ts'
import { INVALID_TOKEN_OF_ACCOUNT, withLiveToken } from './live-token.ts'
import { askProvider } from './provider.ts'

export interface AccountOptions {
  appId: string
  appSecret: string
  endpoints?: Endpoints
  http?: HttpOptions
}

/**
 * Provides the access_token instead of WeChat's token call: from a central token server or the Open Platform. `force`: WeChat
 * rejected the last one, return a new one. Caching, sharing between processes, early renewal and the handling of 40001 stay here.
 */
export type TokenProvider = (call: { force: boolean }) => Promise<{ accessToken: string, /** Seconds. */ expiresIn: number }>

/** The same for a ticket of this type (`jsapi`, `wx_card`). */
export type TicketProvider = (call: { type: string, force: boolean }) => Promise<{ ticket: string, /** Seconds. */ expiresIn: number }>

export interface AccessTokenOptions extends Omit<AccountOptions, 'appSecret'> {
  /** Required unless `tokenProvider` is given. */
  appSecret?: string
  tokenProvider?: TokenProvider
  /** Default: WeChat's ticket call, with the access_token. */
  ticketProvider?: TicketProvider
  /** `stable` (default): several systems can fetch tokens without invalidating each other's. `plain`: the older endpoint. */
  tokenMode?: 'stable' | 'plain'
  /** Shared by all processes. Default: this process's memory. */
  store?: Store
  clock?: Clock
  log?: Log
}

export interface TokenRequest {
  /** Default: POST if `json` is given, else GET. */
  method?: 'GET' | 'POST'
  query?: Readonly<Record<string, string>>
  json?: unknown
}

export interface WechatToken {
  readonly appId: string
  /** The access_token; from memory while it is valid. */
  get (): Promise<string>
  /** A ticket for signing pages: `jsapi`, or another type such as `wx_card`. */
  ticket (type?: string): Promise<string>
  /** Drops this token if it is still the one in use. */
  invalidate (token: string): Promise<void>
  /**
   * Calls any api.weixin.qq.com endpoint with the token added; retried once with a new token after 40001, 40014 or 42001.
   * @throws WechatApiError with WeChat's errcode; WechatNetworkError; WechatReplyError
   */
  request<T extends object = JsonObject> (path: string, call?: TokenRequest): Promise<T>
  /** The same for a call that returns an image (a QR code, a mini program code). */
  download (path: string, call?: TokenRequest): Promise<Buffer>
  status (): CredentialStatus
  /** Call it without Fastify, at the end of a script or worker: closes connections to WeChat that no other client of the process uses. */
  disconnect (): Promise<void>
}

/** @throws WechatConfigError naming the option that is missing or wrong */
export function createAccessToken (options: AccessTokenOptions): WechatToken {
  checkCoreOptions(options)
  const { tokenMode = 'stable', store = createMemoryStore(options.clock), clock = systemClock, log = silent } = options
  const endpoints = resolveEndpoints(options.endpoints)
  const appId = requireId('appId', options.appId)
  const { tokenProvider, ticketProvider } = options
  const appSecret = tokenProvider ? '' : requireSecret('appSecret', options.appSecret, 32, endpoints.api)
  const http = createHttp(options.http)
  const api = createApi(http, endpoints.api)

  const token = createCredential({
    name: 'access_token',
    key: accountKey(appId, 'access_token'),
    secret: appSecret,
    store,
    clock,
    log,
    issue: async force => {
      if (tokenProvider) {
        const { accessToken: value, expiresIn } = await askProvider('tokenProvider', () => tokenProvider({ force }))
        return { value, expiresIn }
      }
      const answer = await api.json(tokenMode === 'stable'
        ? {
            path: '/cgi-bin/stable_token',
            method: 'POST',
            json: { grant_type: 'client_credential', appid: appId, secret: appSecret, ...(force && { force_refresh: true }) },
            secrets: [appSecret],
            repeatable: !force
          }
        : { path: '/cgi-bin/token', query: { grant_type: 'client_credential', appid: appId, secret: appSecret } })
      return { value: answer.access_token as string, expiresIn: answer.expires_in }
    }
  })

  async function withToken<T> (path: string, call: (query: Record<string, string>) => Promise<T>, query: TokenRequest['query']): Promise<T> {
    if (!/^\/[a-z0-9]/i.test(path) || /[?#\\\s]/.test(path) || path.includes('..')) {
      throw new WechatInputError('path', 'must be a path of api.weixin.qq.com; pass parameters in query')
    }
    return await withLiveToken(token, used => call({ ...query, access_token: used }), INVALID_TOKEN_OF_ACCOUNT)
  }

  const request: WechatToken['request'] = <T>(path: string, { query, ...call }: TokenRequest = {}) =>
    withToken(path, query => api.json({ path, query, ...call }), query) as Promise<T>

  const tickets = new Map<string, Credential>()

  function ticketOf (type: string): Credential {
    if (!/^[a-z_]{1,32}$/.test(type)) throw new WechatInputError('type', 'must be a ticket type such as jsapi or wx_card')
    let ticket = tickets.get(type)
    if (!ticket) {
      tickets.set(type, ticket = createCredential({
        name: `${type}_ticket`,
        key: accountKey(appId, `ticket:${type}`),
        secret: appSecret,
        store,
        clock,
        log,
        issue: async force => {
          if (ticketProvider) {
            const { ticket: value, expiresIn } = await askProvider('ticketProvider', () => ticketProvider({ type, force }))
            return { value, expiresIn }
          }
          const answer = await request('/cgi-bin/ticket/getticket', { query: { type } })
          return { value: answer.ticket as string, expiresIn: answer.expires_in }
        }
      }))
    }
    return ticket
  }

  return {
    appId,
    get: token.get,
    ticket: async (type = 'jsapi') => await ticketOf(type).get(),
    invalidate: token.invalidate,
    request,
    download: (path, { query, ...call } = {}) => withToken(path, query => api.bytes({ path, query, ...call }), query),
    status: token.status,
    disconnect: http.disconnect
  }
}
