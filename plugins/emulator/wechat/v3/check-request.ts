/** Checks common to all v3 calls (merchant, signature, timestamp, nonce, body), and signed answers. */
import { verify } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { mistake } from '../../explain/mistakes.ts'
import { explainV3 } from '../../explain/v3.ts'
import { bodyJson } from '../wire.ts'
import type { State } from '../../state/state.ts'
import type { V3Keys } from '../../keys/v3-keys.ts'
import { isMultipart, readUpload } from './multipart.ts'
import { missingId, shapeProblem } from './shape.ts'
import type { Json, Shape } from './shape.ts'
import { answerSigner, refuse, signedHeaders } from './wire.ts'
import type { V3Error } from './wire.ts'
import type { Routes } from '../routes.ts'

export type { Json } from './shape.ts'

export interface V3Call {
  request: FastifyRequest<{ Params: Record<string, string>, Querystring: Record<string, string> }>
  params: Record<string, string>
  query: Record<string, string>
  body: Json
}

/** Returns a body to sign and send (`undefined`: 204), an error, or a finished reply. */
export type V3Handler = (call: V3Call, reply: FastifyReply) => object | undefined | V3Error | FastifyReply | Promise<object | undefined | V3Error>

export interface V3Route {
  /** Allowed and required members of the body. */
  body?: Shape
  /** The member that identifies the caller: if it is missing, nothing else is checked. */
  identity?: string
  /** Required query parameters. */
  query?: readonly string[]
  /** Members with encrypted values. If one is present, Wechatpay-Serial is required. */
  encrypted?: readonly string[]
}

export type V3Register = (method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH', path: string, handler: V3Handler, route?: V3Route) => void

/** How far a request's timestamp may be from now, in seconds. */
const WINDOW = 300
/** The size from which answers are compressed for clients that accept gzip, in bytes. */
const WORTH_PACKING = 1024

export function v3Register (app: Routes, state: State, keys: V3Keys): V3Register {
  const nonces = new Map<string, number>()

  /** The signed part of a body: for an upload only its `meta`. */
  function signedBody (request: FastifyRequest): string {
    if (isMultipart(request)) return readUpload(request)?.meta ?? ''
    return Buffer.isBuffer(request.body) ? request.body.toString() : ''
  }

  function authorized (request: FastifyRequest): V3Error | undefined {
    const match = /^WECHATPAY2-SHA256-RSA2048 (.+)$/.exec(request.headers.authorization ?? '')
    const parts = Object.fromEntries([...(match?.[1] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]))
    const { mchid, nonce_str: nonce, signature, timestamp, serial_no: serial } = parts as Record<string, string | undefined>
    if (!mchid || !nonce || !signature || !timestamp || !serial) return refuse(401, 'SIGN_ERROR', 'Authorization不合法', 268435461)
    if (mchid !== state.account.mchId) return refuse(401, 'SIGN_ERROR', '商户号不存在或与证书不匹配', 268443699)
    if (serial.toUpperCase() !== keys.merchant.serial) return refuse(401, 'SIGN_ERROR', '商户证书序列号有误。请使用签名私钥匹配的证书序列号', 268443699)
    if (!/^\d{10}$/.test(timestamp) || Math.abs(state.wireNow() / 1000 - Number(timestamp)) > WINDOW) return refuse(401, 'SIGN_ERROR', 'Http头Authorization中的timestamp与发起请求的时间不得超过5分钟', 268443699)
    const { method, originalUrl: url, host } = request
    const body = signedBody(request)
    const message = `${method}\n${url}\n${timestamp}\n${nonce}\n${body}\n`
    if (!verify('sha256', Buffer.from(message), keys.merchant.publicKey, Buffer.from(signature, 'base64'))) {
      request.wechatExplanation = () => {
        const explanation = explainV3({ method, url, host, timestamp, nonce, body, signature, merchantKey: keys.merchant.publicKey })
        return isMultipart(request) && !readUpload(request) ? { ...explanation, mistakes: [mistake('multipart-boundary')] } : explanation
      }
      return refuse(401, 'SIGN_ERROR', '错误的签名，验签失败', 268443699, {
        detail: { issue: 'sign not match' },
        field: 'signature',
        location: 'authorization',
        sign_information: { method, sign_message_length: message.length, truncated_sign_message: message.slice(0, 100), url }
      })
    }
    // Stricter than WeChat: sending the same signature twice is a bug in the client.
    // Insertion order is by age, so the loop stops at the first entry still valid.
    for (const [old, at] of nonces) {
      if (state.wireNow() - at <= 2 * WINDOW * 1000) break
      nonces.delete(old)
    }
    if (nonces.has(nonce)) return refuse(401, 'SIGN_ERROR', 'Http头Authorization中的nonce_str已被使用', 268443699)
    nonces.set(nonce, state.wireNow())
  }

  function formProblem (request: FastifyRequest, body: Json | undefined, { body: shape, identity, query = [], encrypted = [] }: V3Route): V3Error | undefined {
    const absent = query.find(name => !(request.query as Record<string, string>)[name])
    if (absent !== undefined) return missingId(absent)
    if (!shape) return undefined
    if (!body || Array.isArray(body)) return refuse(400, 'PARAM_ERROR', '请求体不是合法的JSON', 268435461)
    if (identity !== undefined && body[identity] === undefined) return missingId(identity)
    const problem = shapeProblem(body, shape)
    if (problem) return problem
    if (encrypted.some(name => body[name] !== undefined) && !request.headers['wechatpay-serial']) {
      return refuse(400, 'PARAM_ERROR', 'HTTP header缺少微信支付平台证书序列号(Wechatpay-Serial)', 268435461)
    }
  }

  function answer (request: FastifyRequest, reply: FastifyReply, outcome: object | undefined): FastifyReply {
    const requestedSerial = request.headers['wechatpay-serial']
    const refusal = outcome && isV3Error(outcome) ? outcome : undefined
    const content = refusal ? { code: refusal.code, ...(refusal.detail !== undefined && { detail: refusal.detail }), message: refusal.message } : outcome
    const body = content === undefined ? '' : JSON.stringify(content)
    reply.headers({
      'cache-control': 'no-cache, must-revalidate',
      'x-content-type-options': 'nosniff',
      'request-id': `${state.random.hex(16).toUpperCase()}-${refusal?.inner ?? 0}`,
      'content-language': 'zh-CN',
      ...signedHeaders(state, body, answerSigner(state, keys, typeof requestedSerial === 'string' ? requestedSerial : undefined)),
      'wechatpay-signature-type': 'WECHATPAY2-SHA256-RSA2048'
    })
    if (content === undefined) return reply.code(204).header('content-length', '0').send()
    if (refusal) reply.code(refusal.status)
    return reply.type('application/json; charset=utf-8').send(body)
  }

  // Seen for a larger answer to a client that accepts gzip.
  app.addHook('onSend', async (request, reply, payload) => {
    const isOffered = /\bdeflate\b/.test(String(request.headers['accept-encoding'] ?? ''))
    if (!isOffered || typeof payload !== 'string' || payload.length < WORTH_PACKING || !reply.hasHeader('wechatpay-signature')) return payload
    reply.header('content-encoding', 'deflate').removeHeader('content-length')
    return deflateSync(payload)
  })

  return (method, path, handler, route = {}) => {
    app.route<{ Params: Record<string, string>, Querystring: Record<string, string> }>({
      method,
      url: path,
      async handler (request, reply) {
        const body = bodyJson(request)
        const problem = authorized(request) ?? formProblem(request, body, route)
        if (problem) return answer(request, reply, problem)
        const fault = request.wechatFault?.code
        if (fault) {
          const [status, words] = FAULTS[fault] ?? [400, '系统异常，请稍后重试']
          return answer(request, reply, refuse(status, fault, words, 268435456))
        }
        const outcome = await handler({ request, params: request.params, query: request.query, body: body ?? {} }, reply)
        return outcome === reply ? reply : answer(request, reply, outcome as object | undefined)
      }
    })
  }
}

/** Status and message of codes configured as faults; other codes get status 400. */
const FAULTS: Readonly<Record<string, [status: number, words: string]>> = {
  SYSTEM_ERROR: [500, '系统异常，请稍后重试'],
  RATELIMIT_EXCEED: [429, '请求频率超过限制'],
  FREQUENCY_LIMITED: [429, '请求频率超过限制'],
  NOT_ENOUGH: [403, '基本账户余额不足，请充值后重新发起'],
  NO_AUTH: [403, '商户无权限'],
  RULE_LIMIT: [403, '业务规则限制'],
  SIGN_ERROR: [401, '错误的签名，验签失败'],
  ORDER_NOT_EXIST: [404, '订单不存在'],
  RESOURCE_NOT_EXISTS: [404, '查询的资源不存在']
}

const isV3Error = (outcome: object): outcome is V3Error => 'inner' in outcome && 'status' in outcome
