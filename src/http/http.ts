/** The HTTP client for WeChat: timeouts, retries where a repeat is safe, limited reply sizes, a limited number of verified connections. */
import type { Readable } from 'node:stream'
import { callChannel, traced } from '../diagnostics.ts'
import type { CallTrace } from '../diagnostics.ts'
import { WechatNetworkError, WechatReplyError } from '../errors.ts'
import { createHosts } from './hosts.ts'
import { exchangeStreamed, exchangeBuffered } from './exchange.ts'
import type { OutgoingRequest, Head } from './exchange.ts'
import { checkHttp } from './options.ts'
import type { ClientCertificate, HttpOptions } from './options.ts'
import { lease } from './transport.ts'
import type { Lease, Transport } from './transport.ts'
import { retry } from './retry.ts'

export type { ClientCertificate, HttpOptions }

export interface HttpRequest {
  /** The call's name in errors: never a URL, because WeChat's URLs contain secrets. */
  name: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Base URLs (scheme and host), the backup host second. */
  bases: readonly string[]
  path: string
  query?: Readonly<Record<string, string>>
  headers?: Readonly<Record<string, string>>
  /** Further headers, created for each attempt at each host: a signature must not be sent twice. */
  freshHeaders?: (base: string) => Promise<Readonly<Record<string, string>>>
  body?: string | Uint8Array
  /** True if WeChat acts at most once, however often this request arrives. */
  repeatable: boolean
  /** Maximum size of a reply in bytes. Default 1 MiB. */
  maxBytes?: number
}

export interface HttpReply {
  status: number
  headers: Readonly<Record<string, string>>
  body: Buffer
}

export interface HttpStreamReply extends Omit<HttpReply, 'body'> {
  /** Streams as it arrives; a failure on the way is a WechatNetworkError. Leaving its loop, or destroying it, closes the connection. */
  body: Readable
}

export interface Http {
  (call: HttpRequest): Promise<HttpReply>
  /** For answers too large for memory: `timeout` then limits each wait for the next chunk, not the whole. */
  stream (call: HttpRequest): Promise<HttpStreamReply>
  /** Closes the connections that no other client shares; resolves when they are closed. Later calls open their own connections. */
  disconnect (): Promise<void>
}

/** `certificate`: presented to WeChat on every call. @throws WechatConfigError naming the wrong option */
export function createHttp (options: HttpOptions = {}, certificate?: ClientCertificate): Http {
  const checked = checkHttp(options, certificate)
  const { timeout, retries } = checked
  const hosts = createHosts()
  /** Acquired by the first call: a client without calls opens nothing. */
  let kept: Lease | undefined
  let disconnected = false
  let running = 0
  /** Called once no call is in progress. */
  let quiet: (() => void) | undefined

  async function through<T> (work: (transport: Transport) => Promise<T>): Promise<T> {
    const own = disconnected ? lease(checked) : undefined
    running++
    try {
      return await work(await (own ?? (kept ??= lease(checked))).transport)
    } finally {
      own?.release(timeout).catch(() => {})
      if (--running === 0) quiet?.()
    }
  }

  async function disconnect (): Promise<void> {
    disconnected = true
    const end = performance.now() + timeout
    if (running > 0) {
      // Queued calls get their turn first; hanging ones end with their timeout.
      const timer = setTimeout(() => { quiet?.() }, timeout)
      await new Promise<void>(resolve => { quiet = resolve })
      clearTimeout(timer)
    }
    await kept?.release(Math.max(0, end - performance.now()))
  }

  /** Tries one host after the other, healthy ones first. */
  function anyHost<T extends { status: number }> (call: HttpRequest, attempt: (call: HttpRequest, base: string) => Promise<T>): Promise<T> {
    const bases = hosts.healthyFirst(call.bases)
    const trace: CallTrace = { name: call.name, method: call.method, host: partsOf(bases[0] as string).host, attempts: 0 }
    return traced(callChannel, trace, () => retry(async count => {
      const base = bases[count % bases.length] as string
      trace.attempts++
      try {
        const answer = await attempt(call, base)
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
      shouldRetry: error => error instanceof WechatNetworkError && error.retryable && (error.outcome === 'not_sent' || call.repeatable)
    }))
  }

  async function whole (call: HttpRequest, base: string): Promise<HttpReply> {
    const reply = await through(transport => exchangeBuffered(transport, requestTo(call, base), timeout, call.maxBytes ?? 1 << 20))
    refuseForeign(call, reply)
    if (!reply.body) throw new WechatReplyError(call.name, 'the answer is too large')
    return reply as HttpReply
  }

  async function flowing (call: HttpRequest, base: string): Promise<HttpStreamReply> {
    const reply = await through(transport => exchangeStreamed(transport, requestTo(call, base), timeout))
    try {
      refuseForeign(call, reply)
      return reply
    } catch (error) {
      reply.body.destroy()
      throw error
    }
  }

  return Object.assign(
    async (call: HttpRequest) => await anyHost(call, whole),
    {
      stream: async (call: HttpRequest) => await anyHost(call, flowing),
      disconnect
    }
  )
}

interface BaseParts { origin: string, host: string, pathname: string }

/** Parsed once per base URL: there are only two or three, and each call needs them twice. */
const parsedBases = new Map<string, BaseParts>()

function partsOf (base: string): BaseParts {
  const read = parsedBases.get(base)
  if (read) return read
  const { origin, host, pathname } = new URL(base)
  const parts = { origin, host, pathname: pathname.replace(/\/$/, '') }
  // Tests may use very many.
  if (parsedBases.size >= 100) parsedBases.clear()
  parsedBases.set(base, parts)
  return parts
}

function requestTo (call: HttpRequest, base: string): OutgoingRequest {
  const { origin, pathname } = partsOf(base)
  const { freshHeaders } = call
  const headers = { 'user-agent': 'fastify-wechat-pay', 'accept-encoding': 'identity', ...call.headers }
  return {
    name: call.name,
    method: call.method,
    origin,
    path: pathname + pathOf(call),
    body: call.body ?? null,
    headers: freshHeaders ? async () => ({ ...headers, ...await freshHeaders(base) }) : () => headers
  }
}

/** Path and query as they are sent. */
export const pathOf = ({ path, query }: Pick<HttpRequest, 'path' | 'query'>): string => query ? `${path}?${new URLSearchParams(query)}` : path

/** @throws WechatNetworkError or WechatReplyError for an answer that cannot be WeChat's */
function refuseForeign (call: HttpRequest, { status, headers }: Head): void {
  if (status >= 500 && !isJson(headers)) throw new WechatNetworkError(call.name, `HTTP ${status}`, 'unknown')
  // Never follow redirects: they would send our credentials to a host that someone else chose.
  if (status >= 300 && status < 400) throw new WechatReplyError(call.name, `answered with a redirect (HTTP ${status})`)
  if (headers['content-encoding'] && headers['content-encoding'] !== 'identity') {
    throw new WechatReplyError(call.name, 'the answer is compressed although that was not requested')
  }
}

/** A 5xx in JSON is WeChat Pay's own, with a code; one in HTML is a gateway's. */
const isJson = (headers: Head['headers']) => String(headers['content-type']).startsWith('application/json')
