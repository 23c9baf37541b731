/** What every v3 call goes through before its own rules: who signs it, what is signed, when; and how it is answered. */
import { createPublicKey, verify } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { explainV3 } from '../../explain/v3.ts'
import { bodyJson } from '../wire.ts'
import type { World } from '../../state/world.ts'
import type { V3Keys } from '../../keys/v3-keys.ts'
import { refuse, signedHeaders } from './wire.ts'
import type { V3Refusal } from './wire.ts'

export type Json = Record<string, unknown>

export interface V3Call {
  request: FastifyRequest<{ Params: Record<string, string>, Querystring: Record<string, string> }>
  params: Record<string, string>
  query: Record<string, string>
  body: Json
}

/** Answers a body to be signed and sent (`undefined`: 204), a refusal, or a reply of its own. */
export type V3Handler = (call: V3Call, reply: FastifyReply) => object | undefined | V3Refusal | FastifyReply | Promise<object | undefined | V3Refusal>

export interface V3Route {
  /** Members that the body may have; others are refused. */
  body?: readonly string[]
  /** Members whose values are encrypted, so that Wechatpay-Serial is needed where one is there. */
  encrypted?: readonly string[]
}

export type V3Gate = (method: 'GET' | 'POST', path: string, handler: V3Handler, route?: V3Route) => void

/** Seconds that a request's timestamp may be away from now. */
const WINDOW = 300

export function v3Gate (app: FastifyInstance, world: World, keys: V3Keys): V3Gate {
  const merchantKey = createPublicKey(keys.merchant.key)
  const nonces = new Map<string, number>()

  /** What is signed of a body: of an upload only its `meta`. */
  function signedBody (request: FastifyRequest): string {
    const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    const boundary = /^multipart\/form-data;.*boundary="?([^";]+)/.exec(request.headers['content-type'] ?? '')?.[1]
    if (boundary === undefined) return bytes.toString()
    const meta = bytes.toString('latin1').split(`--${boundary}`).find(part => /name="meta"/.test(part))
    return Buffer.from(meta?.split('\r\n\r\n')[1]?.replace(/\r\n$/, '') ?? '', 'latin1').toString()
  }

  function authorized (request: FastifyRequest): V3Refusal | undefined {
    const match = /^WECHATPAY2-SHA256-RSA2048 (.+)$/.exec(request.headers.authorization ?? '')
    const parts = Object.fromEntries([...(match?.[1] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]))
    const { mchid, nonce_str: nonce, signature, timestamp, serial_no: serial } = parts as Record<string, string | undefined>
    if (!mchid || !nonce || !signature || !timestamp || !serial) return refuse(401, 'SIGN_ERROR', 'Authorization不合法', 268435461)
    if (mchid !== world.account.mchId) return refuse(401, 'SIGN_ERROR', '商户号不存在或与证书不匹配', 268443699)
    if (serial.toUpperCase() !== keys.merchant.serial) return refuse(401, 'SIGN_ERROR', '商户证书序列号有误。请使用签名私钥匹配的证书序列号', 268443699)
    if (!/^\d{10}$/.test(timestamp) || Math.abs(world.wireNow() / 1000 - Number(timestamp)) > WINDOW) return refuse(401, 'SIGN_ERROR', 'Http头Authorization中的timestamp与发起请求的时间不得超过5分钟', 268443699)
    const { method, originalUrl: url, host } = request
    const body = signedBody(request)
    const message = `${method}\n${url}\n${timestamp}\n${nonce}\n${body}\n`
    if (!verify('sha256', Buffer.from(message), merchantKey, Buffer.from(signature, 'base64'))) {
      request.wechatExplanation = () => explainV3({ method, url, host, timestamp, nonce, body, signature, merchantKey })
      return refuse(401, 'SIGN_ERROR', '错误的签名，验签失败', 268443699, {
        detail: { issue: 'sign not match' },
        field: 'signature',
        location: 'authorization',
        sign_information: { method, sign_message_length: message.length, truncated_sign_message: message.slice(0, 100), url }
      })
    }
    // Stricter than WeChat: a client that sends a signature twice has not understood what a nonce is for.
    for (const [old, at] of nonces) if (world.wireNow() - at > 2 * WINDOW * 1000) nonces.delete(old)
    if (nonces.has(nonce)) return refuse(401, 'SIGN_ERROR', 'Http头Authorization中的nonce_str已被使用', 268443699)
    nonces.set(nonce, world.wireNow())
  }

  function bodyProblem (request: FastifyRequest, body: Json | undefined, { body: known, encrypted = [] }: V3Route): V3Refusal | undefined {
    if (!known) return undefined
    if (!body) return refuse(400, 'PARAM_ERROR', '请求体不是合法的JSON', 268435461)
    const odd = Object.keys(body).filter(name => !known.includes(name))
    if (odd.length > 0) return refuse(400, 'PARAM_ERROR', '请求中含有未在API文档中定义的参数', 270924358, { location: null, value: odd.map(name => `/body/${name}`) })
    if (encrypted.some(name => body[name] !== undefined) && !request.headers['wechatpay-serial']) {
      return refuse(400, 'PARAM_ERROR', 'HTTP header缺少微信支付平台证书序列号(Wechatpay-Serial)', 268435461)
    }
  }

  function answer (request: FastifyRequest, reply: FastifyReply, outcome: object | undefined): FastifyReply {
    const asked = request.headers['wechatpay-serial']
    const refusal = outcome && isRefusal(outcome) ? outcome : undefined
    const said = refusal ? { code: refusal.code, message: refusal.message, ...(refusal.detail !== undefined && { detail: refusal.detail }) } : outcome
    const body = said === undefined ? '' : JSON.stringify(said)
    reply.headers({
      'request-id': `${world.random.hex(16).toUpperCase()}-${refusal?.inner ?? 0}`,
      'content-language': 'zh-CN',
      // Who does not say so gets WeChat's default: a platform certificate.
      ...signedHeaders(world, keys, body, typeof asked === 'string' ? asked : 'none')
    })
    if (refusal) return reply.code(refusal.status).type('application/json; charset=utf-8').send(body)
    return said === undefined ? reply.code(204).send() : reply.code(200).type('application/json; charset=utf-8').send(body)
  }

  return (method, path, handler, route = {}) => {
    app.route<{ Params: Record<string, string>, Querystring: Record<string, string> }>({
      method,
      url: path,
      async handler (request, reply) {
        const body = bodyJson(request)
        const problem = authorized(request) ?? bodyProblem(request, body, route)
        if (problem) return answer(request, reply, problem)
        const fault = request.wechatFault?.code
        if (fault) return answer(request, reply, refuse(fault === 'SYSTEM_ERROR' ? 500 : fault === 'RATELIMIT_EXCEED' ? 429 : 400, fault, '系统异常，请稍后重试', 268435456))
        const outcome = await handler({ request, params: request.params, query: request.query, body: body ?? {} }, reply)
        return outcome === reply ? reply : answer(request, reply, outcome as object | undefined)
      }
    })
  }
}

const isRefusal = (outcome: object): outcome is V3Refusal => 'inner' in outcome && 'status' in outcome
