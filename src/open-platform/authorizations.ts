/**
 * What owners of accounts allowed this platform: codes redeemed once, and refresh tokens handed to the application before anything
 * is done with them. WeChat gives a refresh token once; who loses it has to ask the owner again. So it lies in the store
 * from the moment it is known until the application has acknowledged it, and is handed over again until then.
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
import { within } from '../within.ts'
import type { Component } from './component.ts'
import { digestOf } from './push.ts'

export interface Authorization {
  /** Of the account whose owner allowed this platform. */
  appId: string
  /** Keep it, encrypted, until the owner withdraws; it is as good as the account's secret. Stays out of JSON. */
  readonly refreshToken: string
  /** The ids of what was allowed (func_info). Not with `refreshed` and `recovered`. */
  funcInfo?: number[]
  /**
   * `authorized` or `updateauthorized`: by the owner. `refreshed`: WeChat has replaced the refresh token.
   * `recovered`: it was asked for again, since a process ended before it had kept it.
   */
  reason: 'authorized' | 'updateauthorized' | 'refreshed' | 'recovered'
}

export interface AuthorizationHandlers {
  /** Resolve when the refresh token is safely recorded, in the place of an older one. Called again after a throw; may be called twice with the same. */
  onAuthorized (authorization: Authorization): unknown
  /** The account's refresh token, from your records; undefined if it has none (any more). */
  refreshTokenOf (appId: string): string | undefined | null | Promise<string | undefined | null>
}

export interface Redeemed {
  appId: string
  funcInfo: number[]
}

export interface RedeemCall {
  reason: 'authorized' | 'updateauthorized'
  /** Whose code the event says it is. */
  appId?: string
}

export interface Authorizations {
  /** The code's authorization, redeemed once by whichever process, and handed over. @throws WechatApiError 61009; what `onAuthorized` throws */
  redeem (code: string, call: RedeemCall): Promise<Redeemed>
  /** A new authorizer_access_token. @throws WechatError `WECHAT_UNAUTHORIZED` (403) */
  refresh (appId: string): Promise<{ accessToken: string, expiresIn: number }>
  /** Hands over what the application has not acknowledged yet. Never throws: it is logged, and tried again with the next ticket. */
  handOverAll (): Promise<void>
  /** What was not handed over yet is of no use any more. */
  drop (appId: string): Promise<void>
  /** Every account that allows this platform, with its refresh token, as WeChat has it. */
  list (): AsyncGenerator<{ appId: string, readonly refreshToken: string, authorizedAt: number }>
}

export interface AuthorizationParts extends AuthorizationHandlers {
  component: Component
  store: Store
  log: Log
  /** The account's access_token, of a new authorization that was handed over. */
  onToken (appId: string, accessToken: string, expiresIn: unknown): Promise<void>
}

interface Pending { refreshToken: string, funcInfo?: number[], reason: Authorization['reason'] }
type PendingOf = Record<string, Pending>

/** As long as the store may keep anything. */
const YEAR = 366 * 86_400_000
/** A code lives an hour; a second request with it comes sooner. */
const CODE_KNOWN = 2 * 3_600_000
const LEASE = 3000
/** Milliseconds that a second request waits for the first. */
const TWIN_WAIT = 10_000
/** Milliseconds that a function of the application may take. */
const HANDLER_TIMEOUT = 10_000
/** WeChat's limit of one page of accounts. */
const PAGE = 500
const TOKEN = /^[\x21-\x7e]{1,512}$/
const APP_ID = /^[0-9A-Za-z_-]{1,64}$/

export function createAuthorizations ({ component, store, log, onAuthorized, refreshTokenOf, onToken }: AuthorizationParts): Authorizations {
  const keyOf = (name: string) => accountKey(component.appId, name)
  const PENDING = keyOf('pending_authorizations')
  /** Those that the store could not be told of. */
  const unsaved = new Map<string, Pending>()

  async function pendingOf (appId: string): Promise<Pending | undefined> {
    return unsaved.get(appId) ?? (await pending())[appId]
  }

  async function pending (): Promise<PendingOf> {
    return recordIn((await store.read(PENDING))?.value)
  }

  async function keep (appId: string, entry: Pending): Promise<void> {
    // First here: whatever becomes of the store, this process will not forget it.
    unsaved.set(appId, entry)
    try {
      await changeRecord(store, PENDING, YEAR, value => JSON.stringify({ ...recordIn(value), [appId]: entry }))
      if (unsaved.get(appId) === entry) unsaved.delete(appId)
    } catch (err) {
      log.error({ err, appId }, 'fastify-wechat-pay: a refresh token could not be written to the shared store: this process keeps it until it is handed over')
    }
  }

  /** `entry`: only this one; a younger one stays. */
  async function settle (appId: string, entry?: Pending): Promise<void> {
    const isIt = (kept: Pending | undefined) => kept !== undefined && (!entry || kept.refreshToken === entry.refreshToken)
    if (isIt(unsaved.get(appId))) unsaved.delete(appId)
    if (!isIt((await pending())[appId])) return
    await changeRecord(store, PENDING, YEAR, value => {
      const { [appId]: kept, ...others } = recordIn(value)
      return JSON.stringify(kept && !isIt(kept) ? { ...others, [appId]: kept } : others)
    })
  }

  /** One hand-over at a time for each account, so that the application ends with the youngest. @throws what `onAuthorized` throws */
  async function handOver (appId: string): Promise<void> {
    if (!await pendingOf(appId)) return
    await locked(store, keyOf(`hand_over:${appId}`), async () => {
      for (let entry = await pendingOf(appId); entry; entry = await pendingOf(appId)) {
        const { refreshToken, ...said } = entry
        const authorization = hidden({ appId, ...said }, { refreshToken })
        await within(HANDLER_TIMEOUT, async () => await onAuthorized(authorization), () => new WechatError('WECHAT_TIMEOUT', `onAuthorized took longer than ${HANDLER_TIMEOUT} ms`, { statusCode: 503, retryable: true }))
          .catch((error: unknown) => { throw withoutSecret(error, refreshToken) })
        await settle(appId, entry)
      }
    })
  }

  async function handOverLogged (appId: string): Promise<void> {
    try {
      await handOver(appId)
    } catch (err) {
      log.error({ err, appId }, 'fastify-wechat-pay: a refresh token could not be handed over to onAuthorized; it is kept, and handed over again')
      throw err
    }
  }

  async function queryAuth (code: string, call: RedeemCall): Promise<{ redeemed: Redeemed, accessToken: unknown, expiresIn: unknown }> {
    const path = '/cgi-bin/component/api_query_auth'
    const answer = await component.call({ path, json: { component_appid: component.appId, authorization_code: code }, secrets: [code] })
    const info = (answer.authorization_info ?? {}) as JsonObject
    const { authorizer_appid: appId, authorizer_refresh_token: refreshToken } = info
    if (typeof appId !== 'string' || !APP_ID.test(appId) || typeof refreshToken !== 'string' || !TOKEN.test(refreshToken)) throw new WechatReplyError(path, 'WeChat answered without a usable authorization')
    const funcInfo = idsIn(info.func_info)
    await keep(appId, { refreshToken, funcInfo, reason: call.reason })
    if (call.appId !== undefined && call.appId !== appId) throw new WechatReplyError(path, 'the answer is about another account')
    return { redeemed: { appId, funcInfo }, accessToken: info.authorizer_access_token, expiresIn: info.expires_in }
  }

  /** The code is spent, and whoever spent it did not live to tell: WeChat still has the refresh token. */
  async function recover (appId: string, error: unknown): Promise<Redeemed> {
    for await (const { appId: found, refreshToken } of list()) {
      if (found !== appId) continue
      await keep(appId, { refreshToken, reason: 'recovered' })
      log.warn({ appId }, 'fastify-wechat-pay: an authorization code was spent by a process that ended; the refresh token was asked for again')
      return { appId, funcInfo: [] }
    }
    throw error
  }

  async function redeemNow (code: string, call: RedeemCall) {
    // One after the other: of two codes of one account, the answer that came last has the refresh token that counts.
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
    const deadline = performance.now() + TWIN_WAIT
    for (;;) {
      // Before the code is spent: while the store is away, it stays good.
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
          await store.complete(key, owner, JSON.stringify(redeemed), CODE_KNOWN).catch(() => { /* a twin will hear that it is spent */ })
          await handOverLogged(redeemed.appId)
          if (typeof accessToken === 'string') await onToken(redeemed.appId, accessToken, expiresIn)
          return redeemed
        } finally {
          stop()
          await store.release(key, owner).catch(() => {})
        }
      }
      if (performance.now() > deadline) throw new WechatError('WECHAT_TIMEOUT', 'another request redeems this code, and does not come to an end', { statusCode: 503, retryable: true })
      await sleep(25)
    }
  }

  async function refreshTokenFor (appId: string): Promise<string> {
    let refreshToken
    try {
      refreshToken = await within(HANDLER_TIMEOUT, async () => await refreshTokenOf(appId), () => new Error(`refreshTokenOf took longer than ${HANDLER_TIMEOUT} ms`))
    } catch (err) {
      log.error({ err, appId }, 'fastify-wechat-pay: refreshTokenOf failed')
      throw new WechatError('WECHAT_PROVIDER', 'refreshTokenOf failed', { statusCode: 503, retryable: true })
    }
    if (refreshToken === undefined || refreshToken === null) throw unauthorized()
    if (typeof refreshToken !== 'string' || !TOKEN.test(refreshToken)) throw new WechatError('WECHAT_PROVIDER', 'refreshTokenOf answered nothing usable', { statusCode: 503 })
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
    // Before the token is used: whatever comes then, the way to the next one is not lost.
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
      // While the store is away, the application's own is the best there is.
      if (await pendingOf(appId).catch(() => undefined)) await handOverLogged(appId)
      const refreshToken = await refreshTokenFor(appId)
      try {
        return await refreshed(appId, refreshToken)
      } catch (error) {
        if (!(error instanceof WechatApiError) || error.wechatCode !== '61023') throw error
        // Replaced while we asked?
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

/** The application's error may contain what it was given, in its message or, as databases do, in its members: then both stay out of logs. */
function withoutSecret (error: unknown, secret: string): unknown {
  if (!inspect(error, { depth: null, maxArrayLength: null, maxStringLength: null }).includes(secret)) return error
  const { message, statusCode } = error as { message?: unknown, statusCode?: unknown }
  return Object.assign(new Error(redact(String(message), [secret])), typeof statusCode === 'number' && { statusCode })
}

/** With members that no JSON and no log shows. */
function hidden<T extends object, H extends object> (shown: T, secrets: H): T & Readonly<H> {
  for (const [name, value] of Object.entries(secrets)) Object.defineProperty(shown, name, { value, enumerable: false })
  return shown as T & Readonly<H>
}

const replaced = () => new WechatError('WECHAT_TOKEN_CONTESTED', 'the account was authorized anew meanwhile', { statusCode: 503, fault: 'wechat', retryable: true })

export const unauthorized = (error?: WechatApiError) => new WechatError('WECHAT_UNAUTHORIZED', 'the account has not authorized this platform, or has withdrawn that', {
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

/** Without a prototype's names; nothing for what none of our processes wrote. */
function recordIn (note: string | undefined): PendingOf {
  try {
    const record = JSON.parse(note ?? '{}') as PendingOf
    return Object.fromEntries(Object.entries(record).filter(([appId, entry]) => APP_ID.test(appId) && TOKEN.test(entry.refreshToken)))
  } catch {
    return {}
  }
}
