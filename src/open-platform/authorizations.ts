/**
 * Authorizations by account owners: codes are redeemed once, and refresh tokens are passed to the application before anything
 * else. WeChat issues a refresh token once; without it, the owner must authorize again. So it is kept in the store from
 * the moment it is received until the application acknowledges it (`onAuthorized` resolves), which is retried until then.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { redact, WechatApiError, WechatError, WechatReplyError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { JsonObject } from '../official-account/api.ts'
import { accountKey } from '../store/key.ts'
import { keepLease } from '../store/lease.ts'
import { changeRecord, locked } from '../store/locked.ts'
import type { Store } from '../store/store.ts'
import { withTimeout } from '../with-timeout.ts'
import type { Component } from './component.ts'
import { digestOf } from './push.ts'

export interface Authorization {
  /** The authorizing account. */
  appId: string
  /** Store it encrypted until the owner withdraws the authorization; it is as sensitive as the account's secret. Not enumerable, so it stays out of JSON. */
  readonly refreshToken: string
  /** The ids of the granted permission sets (func_info). Not for `refreshed` and `recovered`. */
  funcInfo?: number[]
  /**
   * `authorized` or `updateauthorized`: by the owner. `refreshed`: WeChat replaced the refresh token.
   * `recovered`: fetched again, because a process ended before it had stored it.
   */
  reason: 'authorized' | 'updateauthorized' | 'refreshed' | 'recovered'
}

export interface AuthorizationHandlers {
  /** Resolve when the refresh token is stored, replacing an older one. Called again after a throw; may be called twice with the same token. */
  onAuthorized (authorization: Authorization): unknown
  /** Returns the account's stored refresh token; undefined if there is none. */
  refreshTokenOf (appId: string): string | undefined | null | Promise<string | undefined | null>
}

export interface Redeemed {
  appId: string
  funcInfo: number[]
}

export interface RedeemCall {
  reason: 'authorized' | 'updateauthorized'
  /** The account named in the event. */
  appId?: string
}

export interface Authorizations {
  /** Redeems the code once across all processes, and passes the authorization to `onAuthorized`. @throws WechatApiError 61009; errors of `onAuthorized` */
  redeem (code: string, call: RedeemCall): Promise<Redeemed>
  /** A new authorizer_access_token. @throws WechatError `WECHAT_UNAUTHORIZED` (403) */
  refresh (appId: string): Promise<{ accessToken: string, expiresIn: number }>
  /** Calls `onAuthorized` for unacknowledged authorizations. Never throws: failures are logged and retried with the next ticket. */
  handOverAll (): Promise<void>
  /** Discards an unacknowledged authorization. */
  drop (appId: string): Promise<void>
  /** All authorizing accounts with their refresh tokens, from WeChat. */
  list (): AsyncGenerator<{ appId: string, readonly refreshToken: string, authorizedAt: number }>
}

export interface AuthorizationParts extends AuthorizationHandlers {
  component: Component
  store: Store
  log: Log
  /** Called with the access_token of a new, acknowledged authorization. */
  onToken (appId: string, accessToken: string, expiresIn: unknown): Promise<void>
}

interface Pending { refreshToken: string, funcInfo?: number[], reason: Authorization['reason'] }
type PendingOf = Record<string, Pending>

/** The store's maximum ttl. */
const YEAR = 366 * 86_400_000
/** A code is valid for an hour, so a second request with it arrives within this time. */
const CODE_KNOWN = 2 * 3_600_000
const LEASE = 3000
/** How long a concurrent request waits for the first, in milliseconds. */
const CONCURRENT_WAIT = 10_000
/** Time limit for the application's functions, in milliseconds. */
const HANDLER_TIMEOUT = 10_000
/** WeChat's maximum page size. */
const PAGE = 500
const TOKEN = /^[\x21-\x7e]{1,512}$/
const APP_ID = /^[0-9A-Za-z_-]{1,64}$/

export function createAuthorizations ({ component, store, log, onAuthorized, refreshTokenOf, onToken }: AuthorizationParts): Authorizations {
  const keyOf = (name: string) => accountKey(component.appId, name)
  const PENDING = keyOf('pending_authorizations')
  /** Authorizations that could not be written to the store. */
  const unsaved = new Map<string, Pending>()

  async function pendingOf (appId: string): Promise<Pending | undefined> {
    return unsaved.get(appId) ?? (await pending())[appId]
  }

  async function pending (): Promise<PendingOf> {
    return recordIn((await store.read(PENDING))?.value)
  }

  async function keep (appId: string, entry: Pending): Promise<void> {
    // In memory first: even if the store fails, this process keeps it.
    unsaved.set(appId, entry)
    try {
      await changeRecord(store, PENDING, YEAR, value => JSON.stringify({ ...recordIn(value), [appId]: entry }))
      if (unsaved.get(appId) === entry) unsaved.delete(appId)
    } catch (err) {
      log.error({ err, appId }, 'fastify-wechat-pay: a refresh token could not be written to the shared store: this process keeps it until onAuthorized acknowledges it')
    }
  }

  /** `entry`: removes only this one; a newer one stays. */
  async function settle (appId: string, entry?: Pending): Promise<void> {
    const matches = (kept: Pending | undefined) => kept !== undefined && (!entry || kept.refreshToken === entry.refreshToken)
    if (matches(unsaved.get(appId))) unsaved.delete(appId)
    if (!matches((await pending())[appId])) return
    await changeRecord(store, PENDING, YEAR, value => {
      const { [appId]: kept, ...others } = recordIn(value)
      return JSON.stringify(kept && !matches(kept) ? { ...others, [appId]: kept } : others)
    })
  }

  /** One call of `onAuthorized` at a time per account, so that the application stores the newest last. @throws errors of `onAuthorized` */
  async function handOver (appId: string): Promise<void> {
    if (!await pendingOf(appId)) return
    await locked(store, keyOf(`hand_over:${appId}`), async () => {
      for (let entry = await pendingOf(appId); entry; entry = await pendingOf(appId)) {
        const { refreshToken, ...rest } = entry
        const authorization = hidden({ appId, ...rest }, { refreshToken })
        await withTimeout(HANDLER_TIMEOUT, async () => await onAuthorized(authorization), () => new WechatError('WECHAT_TIMEOUT', `onAuthorized took longer than ${HANDLER_TIMEOUT} ms`, { statusCode: 503, retryable: true }))
          .catch((error: unknown) => { throw withoutSecret(error, refreshToken) })
        await settle(appId, entry)
      }
    })
  }

  async function handOverLogged (appId: string): Promise<void> {
    try {
      await handOver(appId)
    } catch (err) {
      log.error({ err, appId }, 'fastify-wechat-pay: onAuthorized failed; the refresh token is kept, and onAuthorized will be called again')
      throw err
    }
  }

  async function queryAuth (code: string, call: RedeemCall): Promise<{ redeemed: Redeemed, accessToken: unknown, expiresIn: unknown }> {
    const path = '/cgi-bin/component/api_query_auth'
    const answer = await component.call({ path, json: { component_appid: component.appId, authorization_code: code }, secrets: [code] })
    const info = (answer.authorization_info ?? {}) as JsonObject
    const { authorizer_appid: appId, authorizer_refresh_token: refreshToken } = info
    if (typeof appId !== 'string' || !APP_ID.test(appId) || typeof refreshToken !== 'string' || !TOKEN.test(refreshToken)) throw new WechatReplyError(path, 'the answer has no usable authorization')
    const funcInfo = idsIn(info.func_info)
    await keep(appId, { refreshToken, funcInfo, reason: call.reason })
    if (call.appId !== undefined && call.appId !== appId) throw new WechatReplyError(path, 'the answer is about another account')
    return { redeemed: { appId, funcInfo }, accessToken: info.authorizer_access_token, expiresIn: info.expires_in }
  }

  /** The code was redeemed by a process that crashed before storing the result: get the refresh token from WeChat's list. */
  async function recover (appId: string, error: unknown): Promise<Redeemed> {
    for await (const { appId: found, refreshToken } of list()) {
      if (found !== appId) continue
      await keep(appId, { refreshToken, reason: 'recovered' })
      log.warn({ appId }, 'fastify-wechat-pay: an authorization code was redeemed by a process that ended before storing the result; the refresh token was fetched again')
      return { appId, funcInfo: [] }
    }
    throw error
  }

  async function redeemNow (code: string, call: RedeemCall) {
    // One at a time: for two codes of one account, the later answer has the valid refresh token.
    return await locked(store, keyOf('redeem'), async () => {
      try {
        return await queryAuth(code, call)
      } catch (error) {
        const isSpent = error instanceof WechatApiError && error.wechatCode === '61009'
        if (!isSpent || call.appId === undefined) throw error
        return { redeemed: await recover(call.appId, error), accessToken: undefined, expiresIn: undefined }
      }
    })
  }

  async function redeem (code: string, call: RedeemCall): Promise<Redeemed> {
    const key = keyOf(`authorization:${digestOf(code)}`)
    const owner = randomUUID()
    const deadline = performance.now() + CONCURRENT_WAIT
    for (;;) {
      // Before redeeming: if the store is unavailable, the code stays valid.
      const turn = await store.acquire(key, owner, LEASE)
      if (turn.state === 'done') {
        const redeemed = JSON.parse(turn.value) as Redeemed
        await handOverLogged(redeemed.appId)
        return redeemed
      }
      if (turn.state === 'acquired') {
        const stop = keepLease(store, key, owner, LEASE)
        try {
          const { redeemed, accessToken, expiresIn } = await redeemNow(code, call)
          await store.complete(key, owner, JSON.stringify(redeemed), CODE_KNOWN).catch(() => { /* a concurrent request will get 61009 */ })
          await handOverLogged(redeemed.appId)
          if (typeof accessToken === 'string') await onToken(redeemed.appId, accessToken, expiresIn)
          return redeemed
        } finally {
          stop()
          await store.release(key, owner).catch(() => {})
        }
      }
      if (performance.now() > deadline) throw new WechatError('WECHAT_TIMEOUT', 'timed out waiting for another request that is redeeming this code', { statusCode: 503, retryable: true })
      await sleep(25)
    }
  }

  async function refreshTokenFor (appId: string): Promise<string> {
    let refreshToken
    try {
      refreshToken = await withTimeout(HANDLER_TIMEOUT, async () => await refreshTokenOf(appId), () => new Error(`refreshTokenOf took longer than ${HANDLER_TIMEOUT} ms`))
    } catch (err) {
      log.error({ err, appId }, 'fastify-wechat-pay: refreshTokenOf failed')
      throw new WechatError('WECHAT_PROVIDER', 'refreshTokenOf failed', { statusCode: 503, retryable: true })
    }
    if (refreshToken === undefined || refreshToken === null) throw unauthorized()
    if (typeof refreshToken !== 'string' || !TOKEN.test(refreshToken)) throw new WechatError('WECHAT_PROVIDER', 'refreshTokenOf returned an invalid value', { statusCode: 503 })
    return refreshToken
  }

  async function refreshed (appId: string, refreshToken: string): Promise<{ accessToken: string, expiresIn: number }> {
    const path = '/cgi-bin/component/api_authorizer_token'
    const answer = await component.call({
      path,
      json: { component_appid: component.appId, authorizer_appid: appId, authorizer_refresh_token: refreshToken },
      secrets: [refreshToken],
      repeatable: true
    }).catch((error: unknown) => { throw error instanceof WechatApiError && error.wechatCode === '61003' ? unauthorized(error) : error })
    const { authorizer_refresh_token: next, authorizer_access_token: accessToken, expires_in: expiresIn } = answer
    // Acknowledged before the access_token is used, so that a crash cannot lose the new refresh token.
    if (typeof next === 'string' && TOKEN.test(next) && next !== refreshToken) {
      if (await pendingOf(appId).catch(() => undefined)) throw replaced()
      await keep(appId, { refreshToken: next, reason: 'refreshed' })
      await handOverLogged(appId)
    }
    return { accessToken: accessToken as string, expiresIn: expiresIn as number }
  }

  async function * list () {
    const path = '/cgi-bin/component/api_get_authorizer_list'
    for (let offset = 0; ;) {
      const answer = await component.call({ path, json: { component_appid: component.appId, offset, count: PAGE }, repeatable: true })
      const rows = Array.isArray(answer.list) ? answer.list as JsonObject[] : []
      for (const { authorizer_appid: appId, refresh_token: refreshToken, auth_time: authorizedAt } of rows) {
        if (typeof appId === 'string' && typeof refreshToken === 'string') yield hidden({ appId, authorizedAt: Number(authorizedAt ?? 0) }, { refreshToken })
      }
      offset += rows.length
      if (rows.length === 0 || offset >= Number(answer.total_count ?? 0)) return
    }
  }

  return {
    redeem,
    list,

    async refresh (appId) {
      // If the store is unavailable, fall back to the application's refresh token.
      if (await pendingOf(appId).catch(() => undefined)) await handOverLogged(appId)
      const refreshToken = await refreshTokenFor(appId)
      try {
        return await refreshed(appId, refreshToken)
      } catch (error) {
        if (!(error instanceof WechatApiError) || error.wechatCode !== '61023') throw error
        // Was it replaced meanwhile?
        const now = await refreshTokenFor(appId)
        if (now === refreshToken) throw error
        return await refreshed(appId, now)
      }
    },

    async handOverAll () {
      const appIds = new Set([...unsaved.keys(), ...Object.keys(await pending().catch(() => ({})))])
      for (const appId of appIds) await handOverLogged(appId).catch(() => { /* logged */ })
    },

    drop: async appId => await settle(appId)
  }
}

/** The application's error may contain the token in its message or properties (database errors contain values): removes both. */
function withoutSecret (error: unknown, secret: string): unknown {
  if (!inspect(error, { depth: null, maxArrayLength: null, maxStringLength: null }).includes(secret)) return error
  const { message, statusCode } = error as { message?: unknown, statusCode?: unknown }
  return Object.assign(new Error(redact(String(message), [secret])), typeof statusCode === 'number' && { statusCode })
}

/** Adds non-enumerable properties, which stay out of JSON and logs. */
function hidden<T extends object, H extends object> (shown: T, secrets: H): T & Readonly<H> {
  for (const [name, value] of Object.entries(secrets)) Object.defineProperty(shown, name, { value, enumerable: false })
  return shown as T & Readonly<H>
}

const replaced = () => new WechatError('WECHAT_TOKEN_CONTESTED', 'the account was authorized again meanwhile', { statusCode: 503, fault: 'wechat', retryable: true })

export const unauthorized = (error?: WechatApiError) => new WechatError('WECHAT_UNAUTHORIZED', 'the account has not authorized this platform, or has withdrawn the authorization', {
  statusCode: 403,
  ...(error?.wechatCode !== undefined && { wechatCode: error.wechatCode }),
  ...(error?.requestId !== undefined && { requestId: error.requestId }),
  advice: 'Ask the account\'s owner to authorize the platform again: send them to .../open-platform/authorize.',
  adviceZh: '该账号未授权本第三方平台或已取消授权：请让账号管理员打开 .../open-platform/authorize 重新授权。'
})

/** func_info: `[{ funcscope_category: { id: 1 } }, …]`. */
function idsIn (funcInfo: unknown): number[] {
  if (!Array.isArray(funcInfo)) return []
  return funcInfo.map(one => Number((one as { funcscope_category?: { id?: unknown } } | null)?.funcscope_category?.id)).filter(Number.isInteger)
}

/** Parses the stored record; empty if it is not ours. */
function recordIn (note: string | undefined): PendingOf {
  try {
    const record = JSON.parse(note ?? '{}') as PendingOf
    return Object.fromEntries(Object.entries(record).filter(([appId, entry]) => APP_ID.test(appId) && TOKEN.test(entry.refreshToken)))
  } catch {
    return {}
  }
}
