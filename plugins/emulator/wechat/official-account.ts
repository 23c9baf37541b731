/** api.weixin.qq.com: access_token, stable_token, tickets, and a few calls that need a token. */
import type { Timed, State } from '../state/state.ts'
import { bodyJson, refuse, withRid } from './wire.ts'
import type { Routes } from './routes.ts'

/** `authorizer`: a platform's token for this account, issued by `open-platform/`. */
interface Token extends Timed { kind: 'plain' | 'stable' | 'authorizer' }

/** How long an old plain token keeps working after a new one was issued, in milliseconds. */
const OVERLAP = 300_000
/** How long before expiry WeChat renews a stable token, in milliseconds. */
const RENEWED_EARLY = 300_000
const DAY = 86_400_000
/** Calls per day, as reported by `quota/get`. */
const QUOTA = 100_000

export function officialAccount (app: Routes, state: State) {
  const { hex } = state.random
  const tokens = state.memory.table<Token>('tokens')
  const tickets = state.memory.table<Timed & { type: string }>('tickets')
  const counts = state.memory.table<number>('counts')
  const count = (name: string) => { counts.set(name, (counts.get(name) ?? 0) + 1) }
  /** Times of the calls that have a quota. */
  const quotas = state.memory.table<number[]>('quotas')
  /** Counts this call, and returns the number of calls in the last `ms`. */
  const within = (name: string, ms: number) => {
    const times = quotas.get(name) ?? []
    quotas.set(name, times)
    while ((times[0] ?? Infinity) <= state.now() - ms) times.shift()
    return times.push(state.now())
  }
  const current = state.memory.table<string>('stableToken')

  function issueToken (kind: 'plain' | 'stable'): string {
    const value = `${kind === 'stable' ? '98' : '97'}_${hex(60)}`
    tokens.set(value, { kind, until: state.now() + state.tokenLifetime * 1000 })
    count('tokens')
    return value
  }

  function tokenReply (value: string) {
    const left = (tokens.get(value) as Token).until - state.now()
    return { access_token: value, expires_in: Math.round(left / 1000) }
  }

  function credentialProblem (given: { grant_type?: unknown, appid?: unknown, secret?: unknown }) {
    if (given.grant_type !== 'client_credential') return refuse(40002, 'invalid grant_type')
    if (!given.appid) return refuse(41002, 'appid missing')
    if (!given.secret) return refuse(41004, 'appsecret missing')
    if (given.appid !== state.account.appId) return refuse(40013, 'invalid appid')
    if (given.secret !== state.account.appSecret) return refuse(40125, 'invalid appsecret, view more at http://t.cn/RAEkdVq')
  }

  // All answers of this host are JSON; errors end with the request id.
  app.addHook('preSerialization', async (request, _reply, payload) => request.url.includes('/cgi-bin/') ? withRid(payload as object, state) : payload)

  app.get<{ Querystring: Record<string, string> }>('/cgi-bin/token', async request => {
    count('token')
    const problem = credentialProblem(request.query)
    if (problem) return problem
    if (within('plain', DAY) > 2000) return refuse(45009, 'reach max api daily quota limit')
    const overlapEnd = state.now() + OVERLAP
    for (const token of tokens.values()) if (token.kind === 'plain') token.until = Math.min(token.until, overlapEnd)
    return tokenReply(issueToken('plain'))
  })

  app.get('/cgi-bin/stable_token', async () => refuse(43002, 'require POST method'))
  app.post('/cgi-bin/stable_token', async request => {
    count('stable_token')
    const given = bodyJson(request)
    if (!given) return refuse(47001, 'data format error')
    const problem = credentialProblem(given)
    if (problem) return problem
    const now = state.now()
    if (within('stable', 60_000) > 10_000) return refuse(45011, 'api minute-quota reach limit')
    const stable = current.get('value')
    const currentToken = stable === undefined ? undefined : tokens.get(stable)
    const renewed = () => {
      const value = issueToken('stable')
      current.set('value', value)
      return tokenReply(value)
    }
    if (given.force_refresh === true) {
      const forced = (quotas.get('forced') ?? []).filter(at => at > now - DAY)
      if (forced.length >= 20) return refuse(45009, 'reach max api daily quota limit')
      if (forced.some(at => at > now - 30_000)) return refuse(45011, 'api minute-quota reach limit')
      quotas.set('forced', [...forced, now])
      if (currentToken) currentToken.until = now
      return renewed()
    }
    // A lifetime shorter than the lead time (in tests): renew only after expiry.
    const lead = Math.min(RENEWED_EARLY, state.tokenLifetime * 100)
    if (stable !== undefined && currentToken && currentToken.until - now > lead) return tokenReply(stable)
    return renewed()
  })

  function tokenProblem (value: unknown) {
    if (!value) return refuse(41001, 'access_token missing')
    const token = tokens.get(String(value))
    if (!token) return refuse(40001, 'invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r')
    if (token.until <= state.now()) return refuse(42001, 'access_token expired')
  }

  app.get<{ Querystring: Record<string, string> }>('/cgi-bin/ticket/getticket', async request => {
    count('getticket')
    const { access_token: token, type } = request.query
    const problem = tokenProblem(token)
    if (problem) return problem
    if (type !== 'jsapi' && type !== 'wx_card') return refuse(40097, 'invalid args')
    const ticket = hex(43)
    tickets.set(ticket, { type, until: state.now() + state.ticketLifetime * 1000 })
    count('tickets')
    return { errcode: 0, errmsg: 'ok', ticket, expires_in: state.ticketLifetime }
  })

  for (const path of ['/cgi-bin/getcallbackip', '/cgi-bin/get_api_domain_ip']) {
    app.get<{ Querystring: Record<string, string> }>(path, async request =>
      tokenProblem(request.query.access_token) ?? { ip_list: ['101.226.103.0', '140.207.54.0'] })
  }

  app.post<{ Querystring: Record<string, string> }>('/cgi-bin/openapi/quota/get', async request => {
    const problem = tokenProblem(request.query.access_token)
    if (problem) return problem
    const path = bodyJson(request)?.cgi_path
    const name = { '/cgi-bin/token': 'token', '/cgi-bin/stable_token': 'stable_token', '/cgi-bin/ticket/getticket': 'getticket' }[String(path)]
    if (name === undefined) return refuse(76021, 'cgi_path not found, please check')
    const used = counts.get(name) ?? 0
    return { errcode: 0, errmsg: 'ok', quota: { daily_limit: QUOTA, used, remain: Math.max(0, QUOTA - used) } }
  })

  const liveTickets = () => [...tickets].filter(([, { type, until }]) => type === 'jsapi' && until > state.now()).map(([ticket]) => ticket)
  /** Tokens expired with the control interface. */
  let expired: string[] = []

  return {
    /** Numbers of issued credentials and of requests for them. */
    counts () {
      const of = (name: string) => counts.get(name) ?? 0
      return { tokens: of('tokens'), tickets: of('tickets'), calls: { token: of('token'), stable_token: of('stable_token'), getticket: of('getticket') } }
    },
    liveTickets,
    tokenProblem,
    clearQuotas: () => quotas.clear(),
    /** A valid ticket, and other values that may have been signed by mistake. */
    ticketsForExplaining () {
      const named = (id: 'ticket-dead' | 'ticket-card' | 'ticket-token', values: Iterable<string>) => [...values].map(value => ({ id, value }))
      const live = liveTickets()
      const unusable = (of: string) => [...tickets].filter(([value, { type }]) => type === of && !live.includes(value)).map(([value]) => value)
      return {
        ticket: live.at(-1) ?? '',
        others: [...named('ticket-dead', [...unusable('jsapi'), ...expired]), ...named('ticket-card', unusable('wx_card')), ...named('ticket-token', tokens.keys())]
      }
    },
    /** Expires every token, as resetting the secret or another system would; optionally also the tickets. */
    expire (alsoTickets: boolean) {
      tokens.clear()
      current.clear()
      if (!alsoTickets) return
      expired = [...tickets.keys()]
      tickets.clear()
    }
  }
}

export type OfficialAccount = ReturnType<typeof officialAccount>
