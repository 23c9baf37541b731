/** The one way out to WeChat: time-outs, bounded repeats where a repeat is safe, bounded replies, verified certificates. */
import { rootCertificates } from 'node:tls'
import type { Agent, Dispatcher } from 'undici'
import { callChannel, traced } from './diagnostics.ts'
import type { CallTrace } from './diagnostics.ts'
import { WechatError, WechatNetworkError, WechatReplyError } from './errors.ts'
import { createHosts } from './hosts.ts'
import { retry } from './retry.ts'

export interface HttpOptions {
  /** Milliseconds one attempt may take, from connecting to the last byte. Default 5000. */
  timeout?: number
  /** How often a call that is safe to repeat is repeated. Default 1. */
  retries?: number
  /** An undici dispatcher, for a proxy on the way out. For calls with a client certificate it has to present that itself. */
  dispatcher?: Dispatcher
  /** More certificate authorities (PEM) to trust besides the usual ones: the emulator's, or a company proxy's. */
  ca?: string | readonly string[]
}

/** What a client shows of itself in mutual TLS. */
export type ClientCertificate =
  | { pfx: Buffer, passphrase: string }
  | { cert: string | Buffer, key: string | Buffer, passphrase?: string }

export interface HttpRequest {
  /** What the call is called in errors: never a URL, since WeChat's URLs hold secrets. */
  name: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Base URLs, the stand-by after the first; each holds scheme and host. */
  bases: readonly string[]
  path: string
  query?: Readonly<Record<string, string>>
  headers?: Readonly<Record<string, string>>
  /** More headers, made anew for each attempt at each host: a signature must not be sent twice. */
  freshHeaders?: (base: string) => Promise<Readonly<Record<string, string>>>
  body?: string | Uint8Array
  /** True if WeChat acts at most once however often this very request arrives. */
  repeatable: boolean
  /** Most bytes a reply may have. Default 1 MiB. */
  maxBytes?: number
}

export interface HttpReply {
  status: number
  headers: Readonly<Record<string, string>>
  body: Buffer
}

export interface HttpStreamReply extends Omit<HttpReply, 'body'> {
  /** As it arrives; an error in the middle is a WechatNetworkError. */
  body: AsyncIterable<Buffer>
}

export interface Http {
  (call: HttpRequest): Promise<HttpReply>
  /** For answers too large to hold: `timeout` then bounds each wait for more, not the whole. */
  stream (call: HttpRequest): Promise<HttpStreamReply>
}

const CONNECT_TIMEOUT = 3000

// Loaded by the first call: importing it takes longer than all else of the package together.
let loaded: Promise<typeof import('undici')> | undefined
async function undici () {
  loaded ??= import('undici')
  return await loaded
}

// rejectUnauthorized is named so that NODE_TLS_REJECT_UNAUTHORIZED=0 in somebody's shell cannot switch it off.
let shared: Agent | undefined
async function sharedAgent (): Promise<Agent> {
  const { Agent } = await undici()
  shared ??= new Agent({ connect: { timeout: CONNECT_TIMEOUT, rejectUnauthorized: true } })
  return shared
}

/** Never shared: a connection that has shown one merchant's certificate must not carry another's calls. */
async function ownAgent (ca: HttpOptions['ca'], certificate: ClientCertificate | undefined): Promise<Agent> {
  const { Agent } = await undici()
  const trusted = ca === undefined ? {} : { ca: [...rootCertificates, ...[ca].flat()] }
  return new Agent({ connect: { timeout: CONNECT_TIMEOUT, rejectUnauthorized: true, ...trusted, ...certificate } })
}

const UNREACHED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])

/** `certificate`: shown to WeChat on every call. */
export function createHttp ({ timeout = 5000, retries = 1, dispatcher, ca }: HttpOptions = {}, certificate?: ClientCertificate): Http {
  const hosts = createHosts()
  let agent: Promise<Dispatcher> | undefined = dispatcher && Promise.resolve(dispatcher)

  async function begin (call: HttpRequest, base: string, limits: Partial<Dispatcher.RequestOptions>): Promise<Dispatcher.ResponseData> {
    agent ??= ca === undefined && !certificate ? sharedAgent() : ownAgent(ca, certificate)
    // Before the headers are made: their timestamp shall be young.
    const [{ request }, own] = [await undici(), await agent]
    const fresh = await call.freshHeaders?.(base)
    return await request(base + pathOf(call), {
      method: call.method,
      headers: { 'user-agent': 'fastify-wechat-pay', 'accept-encoding': 'identity', ...call.headers, ...fresh },
      body: call.body ?? null,
      dispatcher: own,
      ...limits
    })
  }

  /** One host after the other, the healthy ones first. */
  async function anyHost<T extends { status: number }> (call: HttpRequest, attempt: (base: string) => Promise<T>): Promise<T> {
    const bases = hosts.healthyFirst(call.bases)
    const trace: CallTrace = { name: call.name, method: call.method, host: new URL(bases[0] as string).host, attempts: 0 }
    return await traced(callChannel, trace, () => retry(async count => {
      const base = bases[count % bases.length] as string
      trace.attempts++
      try {
        const answer = await attempt(base)
        hosts.answered(base)
        trace.status = answer.status
        return answer
      } catch (error) {
        if (error instanceof WechatNetworkError) hosts.failed(base)
        throw error
      }
    }, {
      retries,
      delay: 100,
      again: error => error instanceof WechatNetworkError && error.retryable && (error.outcome === 'not_sent' || call.repeatable)
    }))
  }

  async function whole (call: HttpRequest, base: string): Promise<HttpReply> {
    const limit = call.maxBytes ?? 1 << 20
    const chunks: Buffer[] = []
    let size = 0
    let reply
    try {
      reply = await begin(call, base, { signal: AbortSignal.timeout(timeout) })
      for await (const chunk of reply.body) {
        size += chunk.length
        if (size > limit) break
        chunks.push(chunk)
      }
    } catch (error) {
      throw asNetworkError(call.name, error)
    }
    const head = accepted(call, reply)
    if (size > limit) throw new WechatReplyError(call.name, 'the answer is too large')
    return { ...head, body: Buffer.concat(chunks) }
  }

  async function flowing (call: HttpRequest, base: string): Promise<HttpStreamReply> {
    let reply: Dispatcher.ResponseData
    try {
      reply = await begin(call, base, { headersTimeout: timeout, bodyTimeout: timeout })
    } catch (error) {
      throw asNetworkError(call.name, error)
    }
    try {
      return { ...accepted(call, reply), body: chunksOf(call.name, reply.body) }
    } catch (error) {
      // Nobody reads it: what it says of being given up is nobody's concern.
      reply.body.on('error', () => {}).destroy()
      throw error
    }
  }

  return Object.assign(
    async (call: HttpRequest) => await anyHost(call, base => whole(call, base)),
    { stream: async (call: HttpRequest) => await anyHost(call, base => flowing(call, base)) }
  )
}

/** Path and query, the way they are sent. */
export const pathOf = ({ path, query }: Pick<HttpRequest, 'path' | 'query'>): string => query ? `${path}?${new URLSearchParams(query)}` : path

/** Status and headers of an answer that may be WeChat's. */
function accepted (call: HttpRequest, { statusCode: status, headers }: Dispatcher.ResponseData): Omit<HttpReply, 'body'> {
  if (status >= 500 && !isJson(headers)) throw new WechatNetworkError(call.name, `HTTP ${status}`, 'unknown')
  // Redirects are never followed: they would carry our credentials to a host of somebody else's choice.
  if (status >= 300 && status < 400) throw new WechatReplyError(call.name, `answered with a redirect (HTTP ${status})`)
  if (headers['content-encoding'] && headers['content-encoding'] !== 'identity') {
    throw new WechatReplyError(call.name, 'the answer is compressed, which was not asked for')
  }
  return { status, headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])) }
}

/** A 5xx in JSON is WeChat Pay's own word, with a code; in HTML it is a gateway's. */
const isJson = (headers: Dispatcher.ResponseData['headers']) => String(headers['content-type']).startsWith('application/json')

async function * chunksOf (name: string, body: Dispatcher.ResponseData['body']): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of body) yield chunk
  } catch (error) {
    throw asNetworkError(name, error)
  }
}

/** Only the code is kept: the original error may hold the URL, and with it a secret. */
function asNetworkError (name: string, error: unknown): WechatError {
  // A signature that could not be made: its own words say more.
  if (error instanceof WechatError) return error
  const { code, name: kind } = error as { code?: string, name?: string }
  if (kind === 'TimeoutError') return new WechatNetworkError(name, 'TIMEOUT', 'unknown')
  const reason = String([code, kind].find(text => typeof text === 'string'))
  const certificate = /CERT|TLS|SSL|UNABLE_TO/.test(reason)
  return new WechatNetworkError(name, reason, certificate || UNREACHED.has(reason) ? 'not_sent' : 'unknown', !certificate)
}
