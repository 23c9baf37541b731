/** The one way out to WeChat: time-outs, bounded repeats where a repeat is safe, bounded replies, verified certificates. */
import { Agent, request } from 'undici'
import type { Dispatcher } from 'undici'
import { WechatNetworkError, WechatReplyError } from './errors.ts'
import { retry } from './retry.ts'

export interface HttpOptions {
  /** Milliseconds one attempt may take, from connecting to the last byte. Default 5000. */
  timeout?: number
  /** How often a call that is safe to repeat is repeated. Default 1. */
  retries?: number
  /** An undici dispatcher, for a proxy on the way out. */
  dispatcher?: Dispatcher
}

export interface HttpRequest {
  /** What the call is called in errors: never a URL, since WeChat's URLs hold secrets. */
  name: string
  method: 'GET' | 'POST'
  /** Base URLs, the stand-by after the first; each holds scheme and host. */
  bases: readonly string[]
  path: string
  query?: Readonly<Record<string, string>>
  headers?: Readonly<Record<string, string>>
  body?: string
  /** True if WeChat acts at most once however often this very request arrives. */
  repeatable: boolean
  /** Most bytes a reply may have. Default 1 MiB. */
  maxBytes?: number
}

export interface HttpReply {
  status: number
  contentType: string
  body: Buffer
}

export type Http = (call: HttpRequest) => Promise<HttpReply>

const CONNECT_TIMEOUT = 3000

// rejectUnauthorized is named so that NODE_TLS_REJECT_UNAUTHORIZED=0 in somebody's shell cannot switch it off.
let shared: Agent | undefined
function sharedAgent (): Agent {
  shared ??= new Agent({ connect: { timeout: CONNECT_TIMEOUT, rejectUnauthorized: true } })
  return shared
}

const UNREACHED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])

export function createHttp ({ timeout = 5000, retries = 1, dispatcher }: HttpOptions = {}): Http {
  return async function send (call) {
    return await retry(attempt => once(call, call.bases[attempt % call.bases.length] as string, timeout, dispatcher ?? sharedAgent()), {
      retries,
      delay: 100,
      again: error => error instanceof WechatNetworkError && error.retryable && (error.outcome === 'not_sent' || call.repeatable)
    })
  }
}

async function once (call: HttpRequest, base: string, timeout: number, dispatcher: Dispatcher): Promise<HttpReply> {
  const query = call.query ? `?${new URLSearchParams(call.query)}` : ''
  const chunks: Buffer[] = []
  let size = 0
  let reply
  try {
    reply = await request(base + call.path + query, {
      method: call.method,
      headers: { 'user-agent': 'fastify-wechat-pay', 'accept-encoding': 'identity', ...call.headers },
      body: call.body ?? null,
      dispatcher,
      signal: AbortSignal.timeout(timeout)
    })
    for await (const chunk of reply.body) {
      size += chunk.length
      if (size > (call.maxBytes ?? 1 << 20)) break
      chunks.push(chunk)
    }
  } catch (error) {
    throw asNetworkError(call.name, error)
  }
  const { statusCode, headers } = reply
  if (statusCode >= 500) throw new WechatNetworkError(call.name, `HTTP ${statusCode}`, 'unknown')
  // Redirects are never followed: they would carry our credentials to a host of somebody else's choice.
  if (statusCode >= 300 && statusCode < 400) throw new WechatReplyError(call.name, `answered with a redirect (HTTP ${statusCode})`)
  if (size > (call.maxBytes ?? 1 << 20)) throw new WechatReplyError(call.name, 'the answer is too large')
  if (headers['content-encoding'] && headers['content-encoding'] !== 'identity') {
    throw new WechatReplyError(call.name, 'the answer is compressed, which was not asked for')
  }
  return { status: statusCode, contentType: String(headers['content-type'] ?? ''), body: Buffer.concat(chunks) }
}

/** Only the code is kept: the original error may hold the URL, and with it a secret. */
function asNetworkError (name: string, error: unknown): WechatNetworkError {
  const { code, name: kind } = error as { code?: string, name?: string }
  if (kind === 'TimeoutError') return new WechatNetworkError(name, 'TIMEOUT', 'unknown')
  const reason = String([code, kind].find(text => typeof text === 'string'))
  const certificate = /CERT|TLS|SSL|UNABLE_TO/.test(reason)
  return new WechatNetworkError(name, reason, certificate || UNREACHED.has(reason) ? 'not_sent' : 'unknown', !certificate)
}
