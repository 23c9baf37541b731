/** One call to api.weixin.qq.com: JSON in, JSON out; an errcode in an HTTP 200 becomes a typed error. */
import { redact, WechatApiError, WechatReplyError } from '../errors.ts'
import type { Http } from '../http/http.ts'
import { parseJson } from '../json.ts'
import { retry } from '../http/retry.ts'
import type { RetryPolicy } from '../http/retry.ts'
import { errorCode } from './error-codes.ts'

export type JsonObject = Record<string, unknown>

export interface ApiCall {
  path: string
  /** Default: POST if there is a body, else GET. */
  method?: 'GET' | 'POST'
  query?: Readonly<Record<string, string>>
  json?: unknown
  /** Values that must not appear in an error even if WeChat echoes them, besides the secret ones of `query` and of `json`'s own members. */
  secrets?: readonly string[]
  /** Whether to retry if the outcome is unknown. Default: GET only. */
  repeatable?: boolean
}

export interface Api {
  /** @throws WechatApiError, WechatNetworkError, WechatReplyError */
  json (call: ApiCall): Promise<JsonObject>
  /** For calls that return an image: the bytes, or the typed error that came instead. */
  bytes (call: ApiCall): Promise<Buffer>
}

/** "Busy" (-1) and "too many calls this minute" (45011) are retried after a short wait; other temporary errors last longer. */
const BUSY: RetryPolicy = { retries: 2, delay: 200, shouldRetry: error => error instanceof WechatApiError && (error.wechatCode === '-1' || error.wechatCode === '45011') }

/** Parameters whose values must not appear in an error. */
const SECRET_PARAMS = ['secret', 'access_token', 'refresh_token', 'code', 'js_code', 'component_access_token', 'signature', 'openid'] as const

export function createApi (http: Http, base: string): Api {
  async function send (call: ApiCall): Promise<{ body: Buffer, isJson: boolean }> {
    const method = call.method ?? (call.json === undefined ? 'GET' : 'POST')
    const reply = await http({
      name: call.path,
      method,
      bases: [base],
      path: call.path,
      repeatable: call.repeatable ?? method === 'GET',
      // An image is larger than any JSON answer.
      maxBytes: 8 << 20,
      ...(call.query && { query: call.query }),
      ...(call.json !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(call.json) })
    })
    if (reply.status !== 200) throw new WechatReplyError(call.path, `answered with HTTP ${reply.status}`)
    // WeChat also sends JSON as text/plain: the first byte shows what it is.
    return { body: reply.body, isJson: reply.body[0] === 0x7b }
  }

  async function attempt (call: ApiCall): Promise<JsonObject | Buffer> {
    const { body, isJson } = await send(call)
    if (!isJson) return body
    let answer: JsonObject
    try {
      answer = parseJson(body.toString()) as JsonObject
    } catch {
      throw new WechatReplyError(call.path, 'the answer is not JSON')
    }
    if (answer.errcode === undefined || Number(answer.errcode) === 0) return answer
    throw apiError(call, String(answer.errcode), String(answer.errmsg ?? ''))
  }

  const withRetries = (call: ApiCall) => retry(() => attempt(call), BUSY)

  return {
    async json (call) {
      const answer = await withRetries(call)
      if (Buffer.isBuffer(answer)) throw new WechatReplyError(call.path, 'the answer is not JSON')
      return answer
    },
    async bytes (call) {
      const answer = await withRetries(call)
      if (!Buffer.isBuffer(answer)) throw new WechatReplyError(call.path, 'the answer is JSON, not a file')
      return answer
    }
  }
}

function apiError (call: ApiCall, wechatCode: string, errmsg: string): WechatApiError {
  const given = [call.query, call.json].map(part => (part ?? {}) as Record<string, unknown>)
  const secrets = [...given.flatMap(part => SECRET_PARAMS.map(name => part[name])), ...call.secrets ?? []].filter(value => typeof value === 'string')
  const message = redact(errmsg, secrets)
  const requestId = /(?:rid|req_id): *([\w-]+)/.exec(message)?.[1]
  const code = wechatCode.replace(/[^\d-]/g, '').slice(0, 10)
  return new WechatApiError(`${call.path} was refused by WeChat: ${code} ${message}`, {
    ...errorCode(code, message, call.path),
    wechatCode: code,
    wechatMessage: message,
    ...(requestId && { requestId })
  })
}
