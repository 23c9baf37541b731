/**
 * The errors that callers can distinguish. Each says what happened, whose fault it is, and whether to retry,
 * and has WeChat's own code and request id. No error contains a secret: messages from outside are redacted first.
 */

/** Who has to act: the caller, WeChat, or the network between them. */
export type Fault = 'caller' | 'wechat' | 'network'

export interface WechatErrorDetails {
  /** The HTTP status that a Fastify route answers with. */
  statusCode?: number
  fault?: Fault
  /** True if repeating the same call with the same numbers may succeed. */
  retryable?: boolean
  /** WeChat's own code: `errcode` of an Official Account call, `err_code` of a v2 call. */
  wechatCode?: string
  /** APIv3: whether the refusal was signed. An unsigned one comes from a gateway and proves nothing about an order. */
  signed?: boolean
  /** WeChat's own message, redacted. */
  wechatMessage?: string
  /** WeChat's id of the request (`rid`, `req_id`, `Request-ID`), for its support. */
  requestId?: string
  /** What to do about it, in English. */
  advice?: string
  /** The same in Chinese. */
  adviceZh?: string
}

/** What one of WeChat's codes means for a caller. */
export interface CodeInfo extends Pick<WechatErrorDetails, 'statusCode' | 'retryable'> {
  fault: Fault
  advice: string
  adviceZh: string
}

export class WechatError extends Error {
  readonly code: string
  readonly statusCode: number
  readonly fault: Fault
  readonly retryable: boolean
  declare readonly wechatCode?: string
  declare readonly signed?: boolean
  declare readonly wechatMessage?: string
  declare readonly requestId?: string
  declare readonly advice?: string
  declare readonly adviceZh?: string

  constructor (code: string, message: string, details: WechatErrorDetails = {}) {
    super(message)
    this.name = new.target.name
    this.code = code
    const { statusCode = 500, fault = 'caller', retryable = false, ...rest } = details
    this.statusCode = statusCode
    this.fault = fault
    this.retryable = retryable
    for (const [name, value] of Object.entries(rest)) {
      if (value !== undefined) Object.assign(this, { [name]: value })
    }
  }
}

/** An option is missing or wrong. Thrown at registration; names the option, never its value. */
export class WechatConfigError extends WechatError {
  readonly option: string
  constructor (option: string, problem: string) {
    super('WECHAT_CONFIG', `fastify-wechat-pay: option ${option} ${problem}`)
    this.option = option
  }
}

/** An argument of a call (an order, a URL, a code) is invalid; nothing was sent to WeChat. */
export class WechatInputError extends WechatError {
  readonly field: string
  constructor (field: string, problem: string, statusCode = 400) {
    super('WECHAT_INPUT', `${field} ${problem}`, { statusCode })
    this.field = field
  }
}

/** WeChat understood the call and refused it; `wechatCode` says why. */
export class WechatApiError extends WechatError {
  constructor (message: string, details: WechatErrorDetails) {
    super('WECHAT_API', message, { statusCode: 502, fault: 'wechat', ...details })
  }
}

/**
 * No usable answer: refused, reset, timed out, or a gateway's 5xx.
 * `outcome` is 'not_sent' when WeChat cannot have acted, 'unknown' when it may have: then repeat with the SAME number or query.
 */
export class WechatNetworkError extends WechatError {
  readonly outcome: 'not_sent' | 'unknown'
  /** The system's or undici's error code, such as ECONNREFUSED. */
  readonly reason: string
  constructor (what: string, reason: string, outcome: 'not_sent' | 'unknown', retryable = true) {
    const tail = outcome === 'unknown' ? 'unknown outcome: WeChat may have acted on it' : 'nothing was sent'
    super('WECHAT_NETWORK', `${what} failed (${reason}); ${tail}`, {
      statusCode: reason === 'TIMEOUT' ? 504 : 502,
      fault: 'network',
      retryable,
      ...(outcome === 'unknown' && {
        advice: 'Repeat the call with the same number, or query it. Do not use a new number for the same purchase or refund.',
        adviceZh: '结果未知：请用原单号重试或先查单，切勿换新单号重新下单或退款。'
      })
    })
    this.outcome = outcome
    this.reason = reason
  }
}

/** An answer arrived that is not WeChat's or cannot be trusted: HTML, truncated, unsigned, wrongly signed, another merchant's. */
export class WechatReplyError extends WechatError {
  readonly outcome = 'unknown' as const
  constructor (what: string, problem: string) {
    super('WECHAT_REPLY', `${what}: ${problem}; unknown outcome: WeChat may have acted on it`, { statusCode: 502, fault: 'wechat' })
  }
}

/** A message that claims to be WeChat's but is not, or that does not match what this server expects. */
export class WechatNotificationError extends WechatError {
  constructor (problem: string, statusCode = 400) {
    super('WECHAT_NOTIFICATION', `notification refused: ${problem}`, { statusCode })
  }
}

/** A login of a page or a mini program failed; `code` tells why. */
export class WechatLoginError extends WechatError {
  constructor (code: 'WECHAT_LOGIN_STATE' | 'WECHAT_LOGIN_CODE' | 'WECHAT_LOGIN_REFUSED' | 'WECHAT_LOGIN_SNAPSHOT', message: string, details: WechatErrorDetails = {}) {
    super(code, message, { statusCode: 403, ...details })
  }
}

/** Makes a foreign message safe for an error and a log: without the given values, in one line, of limited length. */
export function redact (text: string, secrets: Iterable<string>): string {
  let clean = text
  // Shorter values would blank out ordinary words; no WeChat secret is that short.
  for (const secret of secrets) if (secret.length >= 4) clean = clean.replaceAll(secret, '***')
  return clean.replace(/[\0-\x1f\x7f]/g, ' ').slice(0, 300)
}
