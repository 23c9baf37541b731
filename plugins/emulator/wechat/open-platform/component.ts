/** WeChat's state of a third-party platform: its account, tickets, tokens, and authorizations. */
import type { FastifyBaseLogger } from 'fastify'
import type { State, Timed } from '../../state/state.ts'
import { refuse } from '../wire.ts'
import { ALL_PERMISSIONS, permissionFor, PERMISSIONS } from './permissions.ts'
import { createPushes } from './pushes.ts'
import type { ComponentAccount } from './pushes.ts'

export interface ComponentOptions {
  /** The component's appid. Default: generated, like the next three. */
  appId?: string
  appSecret?: string
  /** 消息校验 Token. */
  token?: string
  /** 消息加解密 Key: 43 characters. */
  encodingAesKey?: string
  /** The URL that receives tickets and authorization events; see also `setComponentUrl`. */
  url?: string
  /** Hosts (`host` or `host:port`) that may link to the authorization page and receive its redirect, in addition to localhost and the URL's host. */
  domains?: string[]
}

/** An account that can authorize the platform. */
export interface Shop { name: string, state: State }

export interface Authorization {
  authorizer_appid: string
  state: 'authorized' | 'unauthorized'
  /** `funcscope_category.id`s. */
  permissions: number[]
  refresh_token: string
  /** Milliseconds since 1970. */
  authorized_at: number
}

export interface AuthorizerToken extends Timed { kind: 'authorizer', appId: string }
interface Code extends Timed { used: boolean }

const HOUR = 3_600_000
const TICKET_LIFE = 12 * HOUR
const PRE_AUTH_CODE_LIFE = HOUR / 2
const AUTH_CODE_LIFE = HOUR
/** How long an old component or authorizer token keeps working, in milliseconds. A guess, based on the plain access_token. */
const OVERLAP = 300_000
/** How long expired values are kept, in milliseconds, so that they are reported as expired, not invalid. */
const REMEMBERED = 24 * HOUR

/** The 43rd base64 character of 32 bytes carries only 4 bits: strict decoders accept only these. */
const LAST = 'AEIMQUYcgkosw048'

const NO_CREDENTIAL = 'invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r'

/** `shops`: at least one. The platform's state is stored with the first. */
export function createOpenPlatform ({ domains = [], ...options }: ComponentOptions, shops: readonly Shop[], log: FastifyBaseLogger) {
  const { state } = shops[0] as Shop
  const { random, memory } = state
  const settings = memory.table<string>('component')
  const tickets = memory.table<Timed>('componentTickets')
  const tokens = memory.table<Timed>('componentTokens')
  const preAuthCodes = memory.table<Code>('preAuthCodes')
  const authCodes = memory.table<Code & { appId: string }>('componentAuthCodes')
  const authorizations = memory.table<Authorization>('componentAuthorizations')

  const known = (name: keyof ComponentAccount, generate: () => string): string => {
    const value = options[name] ?? settings.get(name) ?? generate()
    settings.set(name, value)
    return value
  }
  const account: ComponentAccount = {
    appId: known('appId', () => `wx${random.hex(8)}`),
    appSecret: known('appSecret', () => `emulator${random.hex(12)}`),
    token: known('token', () => `emulator${random.word(12)}`),
    encodingAesKey: known('encodingAesKey', () => `emulator${random.word(34)}${LAST[random.below(LAST.length)]}`)
  }
  if (options.url !== undefined) useUrl(options.url)

  /** Setting a URL starts pushes to it, as in WeChat's console. */
  function useUrl (url: string): void {
    settings.set('url', url)
    settings.set('pushing', 'yes')
  }

  const pushes = createPushes(state, { account, log, newTicket })

  function newTicket (): string {
    forgetOld(tickets)
    const ticket = `ticket@@@${random.word(80)}`
    tickets.set(ticket, { until: state.now() + TICKET_LIFE })
    return ticket
  }

  function forgetOld (table: Map<string, Timed>): void {
    for (const [key, { until }] of table) if (until < state.now() - REMEMBERED) table.delete(key)
  }

  const shopOf = (appId: string): Shop | undefined => shops.find(shop => shop.state.account.appId === appId)
  const tokensOf = ({ state }: Shop) => state.memory.table<AuthorizerToken | (Timed & { kind: 'plain' | 'stable' })>('tokens')
  const active = (appId: string): Authorization | undefined => {
    const found = authorizations.get(appId)
    return found?.state === 'authorized' ? found : undefined
  }

  function changed (): void {
    for (const shop of shops) shop.state.events.emit('change')
  }

  function issueToken () {
    forgetOld(tokens)
    for (const token of tokens.values()) token.until = Math.min(token.until, state.now() + OVERLAP)
    const token = `95_${random.hex(60)}`
    tokens.set(token, { until: state.now() + state.tokenLifetime * 1000 })
    return { component_access_token: token, expires_in: state.tokenLifetime }
  }

  function issueAuthorizerToken (shop: Shop) {
    const own = tokensOf(shop)
    for (const token of own.values()) if (token.kind === 'authorizer') token.until = Math.min(token.until, state.now() + OVERLAP)
    const token = `96_${random.hex(60)}`
    own.set(token, { kind: 'authorizer', appId: shop.state.account.appId, until: state.now() + shop.state.tokenLifetime * 1000 })
    return { authorizer_access_token: token, expires_in: shop.state.tokenLifetime }
  }

  /** Checks the token of a call that needs a component_access_token. */
  function tokenProblem (value: string | undefined) {
    if (!value) return refuse(41001, 'access_token missing')
    const token = tokens.get(value)
    if (token) return token.until > state.now() ? undefined : refuse(42001, 'access_token expired')
    return shops.some(shop => tokensOf(shop).has(value)) ? refuse(61014, 'must use component token for component api') : refuse(40001, NO_CREDENTIAL)
  }

  /** The error if the token belongs to a platform and does not allow this call. */
  function callProblem (value: string, path: string) {
    if (tokens.has(value)) return refuse(61015, 'must use biz account token for not component api')
    for (const shop of shops) {
      const token = tokensOf(shop).get(value)
      if (token?.kind !== 'authorizer') continue
      const authorization = active(token.appId)
      if (!authorization) return refuse(61003, 'component is not authorized by this account')
      if (token.until <= state.now()) return refuse(42001, 'access_token expired')
      const needed = permissionFor(path)
      if (needed !== undefined && !authorization.permissions.includes(needed)) return refuse(61007, 'api is unauthorized to component')
    }
  }

  function createPreAuthCode () {
    forgetOld(preAuthCodes)
    const code = `preauthcode@@@${random.word(48)}`
    preAuthCodes.set(code, { until: state.now() + PRE_AUTH_CODE_LIFE, used: false })
    return { pre_auth_code: code, expires_in: PRE_AUTH_CODE_LIFE / 1000 }
  }

  const isPreAuthCode = (code: string) => {
    const found = preAuthCodes.get(code)
    return found !== undefined && !found.used && found.until > state.now()
  }

  /** An account's owner authorizes the platform; repeating it changes the permissions. `newRefreshToken`: see `AuthorizeOptions`. */
  function authorize (appId: string, preAuthCode: string, { permissions = ALL_PERMISSIONS, newRefreshToken = false }: AuthorizeOptions = {}) {
    const before = active(appId)
    const known = preAuthCodes.get(preAuthCode)
    if (known) known.used = true
    authorizations.set(appId, {
      authorizer_appid: appId,
      state: 'authorized',
      permissions: [...permissions].sort((one, other) => one - other),
      refresh_token: before && !newRefreshToken ? before.refresh_token : `refreshtoken@@@${random.word(43)}`,
      authorized_at: state.now()
    })
    forgetOld(authCodes)
    const code = `queryauthcode@@@${random.word(60)}`
    authCodes.set(code, { appId, until: state.now() + AUTH_CODE_LIFE, used: false })
    pushes.pushEvent(before ? 'updateauthorized' : 'authorized', {
      AuthorizerAppid: appId,
      AuthorizationCode: code,
      AuthorizationCodeExpiredTime: Math.floor((state.wireNow() + AUTH_CODE_LIFE) / 1000),
      PreAuthCode: preAuthCode
    })
    changed()
    return { auth_code: code, expires_in: AUTH_CODE_LIFE / 1000 }
  }

  const funcInfo = ({ permissions }: Authorization) => permissions.map(id => ({ funcscope_category: { id } }))

  /** @returns the account's authorization with its tokens, or an error. A code works once */
  function queryAuth (value: string) {
    const code = authCodes.get(value)
    const authorization = code && active(code.appId)
    const shop = code && shopOf(code.appId)
    // The same code for a used one is a guess.
    if (!code || code.used || !authorization || !shop) return refuse(61009, 'code is invalid')
    if (code.until <= state.now()) return refuse(61010, 'code is expired')
    code.used = true
    return { authorization_info: { authorizer_appid: code.appId, ...issueAuthorizerToken(shop), authorizer_refresh_token: authorization.refresh_token, func_info: funcInfo(authorization) } }
  }

  function refresh (appId: string, refreshToken: unknown) {
    const shop = shopOf(appId)
    const authorization = active(appId)
    if (!shop) return refuse(40013, 'invalid appid')
    if (!authorization) return refuse(61003, 'component is not authorized by this account')
    if (refreshToken !== authorization.refresh_token) return refuse(61023, 'refresh_token is invalid')
    return { ...issueAuthorizerToken(shop), authorizer_refresh_token: authorization.refresh_token }
  }

  return {
    account,
    shops,
    pushes,
    tokenProblem,
    callProblem,
    createPreAuthCode,
    isPreAuthCode,
    authorize,
    queryAuth,
    refresh,
    funcInfo,
    shopOf,
    /** The account's authorization, unless it was withdrawn. */
    active,
    authorizations: () => [...authorizations.values()],
    issueToken,
    /** '' if it is valid. */
    ticketState (value: unknown): '' | 'expired' | 'invalid' {
      const ticket = tickets.get(String(value))
      if (!ticket) return 'invalid'
      return ticket.until > state.now() ? '' : 'expired'
    },
    setUrl (url: string): void {
      useUrl(url)
      pushes.startPushing()
      changed()
    },
    /** The owner withdraws the authorization in the account's console. False if there is none. */
    unauthorize (appId: string): boolean {
      const authorization = active(appId)
      if (!authorization) return false
      authorization.state = 'unauthorized'
      pushes.pushEvent('unauthorized', { AuthorizerAppid: appId })
      changed()
      return true
    },
    /** Expires the chosen credentials. Refresh tokens are replaced, so the old ones become invalid. */
    expire ({ tickets: alsoTickets = false, componentTokens = false, authorizerTokens = false, refreshTokens = false }: ExpireOptions): void {
      const end = (table: Iterable<Timed>) => { for (const one of table) one.until = Math.min(one.until, state.now()) }
      if (alsoTickets) end(tickets.values())
      if (componentTokens) end(tokens.values())
      if (authorizerTokens) for (const shop of shops) end([...tokensOf(shop).values()].filter(({ kind }) => kind === 'authorizer'))
      if (refreshTokens) for (const authorization of authorizations.values()) authorization.refresh_token = `refreshtoken@@@${random.word(43)}`
      changed()
    },
    /** Whether this host may start an authorization and receive its redirect. */
    isOurDomain (host: string): boolean {
      const url = pushes.url()
      return /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(host.replace(/:\d+$/, '')) || domains.includes(host) || (url !== '' && new URL(url).host === host)
    },
    /** A summary for the dashboard. */
    summary () {
      const live = (table: Map<string, Timed>) => [...table].filter(([, { until }]) => until > state.now())
      const until = (table: Map<string, Timed>) => {
        const last = live(table).at(-1)
        return last === undefined ? null : { value: last[0], until: new Date(last[1].until).toISOString() }
      }
      const last = state.deliveries.findLast(({ about }) => about === 'component')
      return {
        componentAppId: account.appId,
        url: pushes.url(),
        answered: pushes.hasAnswered() && pushes.url() !== '',
        lastPush: last === undefined ? null : { id: last.id, info_type: last.info_type, at: last.sent_at, accepted: last.accepted, error: last.error ?? (last.accepted || !last.reply ? null : `${last.reply.status} ${last.reply.body.slice(0, 200)}`) },
        ticket: until(tickets),
        componentToken: until(tokens),
        accounts: shops.map(({ name, state: { account: { appId } } }) => {
          const found = authorizations.get(appId)
          return { name, appId, state: found?.state ?? 'none', permissions: (found?.permissions ?? []).map(id => ({ id, en: PERMISSIONS[id]?.[0] ?? '', zh: PERMISSIONS[id]?.[1] ?? '' })), authorized_at: found ? new Date(found.authorized_at).toISOString() : null }
        })
      }
    },
    start: pushes.start,
    close: pushes.close
  }
}

export interface AuthorizeOptions {
  /** The granted `funcscope_category.id`s. Default: all that the emulator has. */
  permissions?: number[]
  /** Replaces the refresh token of an account that has authorized before: WeChat sometimes does this. */
  newRefreshToken?: boolean
}

export interface ExpireOptions { tickets?: boolean, componentTokens?: boolean, authorizerTokens?: boolean, refreshTokens?: boolean }

export type OpenPlatform = ReturnType<typeof createOpenPlatform>
export type ComponentSummary = ReturnType<OpenPlatform['summary']>
