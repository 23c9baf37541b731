/** The one way out to WeChat: time-outs, bounded repeats where a repeat is safe, bounded replies, bounded and verified connections. */
import type { Readable } from 'node:stream'
import { callChannel, traced } from '../diagnostics.ts'
import type { CallTrace } from '../diagnostics.ts'
import { WechatNetworkError, WechatReplyError } from '../errors.ts'
import { createHosts } from './hosts.ts'
import { exchangeFlowing, exchangeWhole } from './exchange.ts'
import type { Asked, Head } from './exchange.ts'
import { checkHttp } from './options.ts'
import type { ClientCertificate, HttpOptions } from './options.ts'
import { lease } from './outlet.ts'
import type { Lease, Outlet } from './outlet.ts'
import { retry } from './retry.ts'

export type { ClientCertificate, HttpOptions }

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
  /** As it arrives; an error in the middle is a WechatNetworkError. Leaving its loop, or destroying it, closes the connection. */
  body: Readable
}

export interface Http {
  (call: HttpRequest): Promise<HttpReply>
  /** For answers too large to hold: `timeout` then bounds each wait for more, not the whole. */
  stream (call: HttpRequest): Promise<HttpStreamReply>
  /** Ends the connections, as far as no other client shares them; resolves when they are closed. Calls after it connect for themselves alone. */
  disconnect (): Promise<void>
}

/** `certificate`: shown to WeChat on every call. @throws WechatConfigError naming the option that does not fit */
export function createHttp (options: HttpOptions = {}, certificate?: ClientCertificate): Http {
  const checked = checkHttp(options, certificate)
  const { timeout, retries } = checked
  const hosts = createHosts()
  /** Taken by the first call: a client that makes none opens nothing. */
  let kept: Lease | undefined
  let disconnected = false
  let running = 0
  /** Calls it once no call is under way. */
  let quiet: (() => void) | undefined

  async function through<T> (work: (outlet: Outlet) => Promise<T>): Promise<T> {
    const own = disconnected ? lease(checked) : undefined
    running++
    try {
      return await work(await (own ?? (kept ??= lease(checked))).outlet)
    } finally {
      own?.release(timeout).catch(() => {})
      if (--running === 0) quiet?.()
    }
  }

  async function disconnect (): Promise<void> {
    disconnected = true
    const end = performance.now() + timeout
    if (running > 0) {
      // What waits in line has its turn first; what hangs has its time-out.
      const timer = setTimeout(() => { quiet?.() }, timeout)
      await new Promise<void>(resolve => { quiet = resolve })
      clearTimeout(timer)
    }
    await kept?.release(Math.max(0, end - performance.now()))
  }

  /** One host after the other, the healthy ones first. */
  async function anyHost<T extends { status: number }> (call: HttpRequest, attempt: (base: string) => Promise<T>): Promise<T> {
    const bases = hosts.healthyFirst(call.bases)
    const trace: CallTrace = { name: call.name, method: call.method, host: partsOf(bases[0] as string).host, attempts: 0 }
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
    const { body, ...head } = await through(outlet => exchangeWhole(outlet, asked(call, base), timeout, call.maxBytes ?? 1 << 20))
    refuseForeign(call, head)
    if (!body) throw new WechatReplyError(call.name, 'the answer is too large')
    return { ...head, body }
  }

  async function flowing (call: HttpRequest, base: string): Promise<HttpStreamReply> {
    const reply = await through(outlet => exchangeFlowing(outlet, asked(call, base), timeout))
    try {
      refuseForeign(call, reply)
      return reply
    } catch (error) {
      reply.body.destroy()
      throw error
    }
  }

  return Object.assign(
    async (call: HttpRequest) => await anyHost(call, base => whole(call, base)),
    {
      stream: async (call: HttpRequest) => await anyHost(call, base => flowing(call, base)),
      disconnect
    }
  )
}

interface BaseParts { origin: string, host: string, pathname: string }

/** Read once: there are two or three of them, and a call asks for them twice. */
const basesRead = new Map<string, BaseParts>()

function partsOf (base: string): BaseParts {
  const read = basesRead.get(base)
  if (read) return read
  const { origin, host, pathname } = new URL(base)
  const parts = { origin, host, pathname: pathname.replace(/\/$/, '') }
  // Tests may come with very many.
  if (basesRead.size >= 100) basesRead.clear()
  basesRead.set(base, parts)
  return parts
}

function asked (call: HttpRequest, base: string): Asked {
  const { origin, pathname } = partsOf(base)
  return {
    name: call.name,
    method: call.method,
    origin,
    path: pathname + pathOf(call),
    body: call.body ?? null,
    headers: async () => ({ 'user-agent': 'fastify-wechat-pay', 'accept-encoding': 'identity', ...call.headers, ...await call.freshHeaders?.(base) })
  }
}

/** Path and query, the way they are sent. */
export const pathOf = ({ path, query }: Pick<HttpRequest, 'path' | 'query'>): string => query ? `${path}?${new URLSearchParams(query)}` : path

/** @throws WechatNetworkError or WechatReplyError for an answer that cannot be WeChat's own */
function refuseForeign (call: HttpRequest, { status, headers }: Head): void {
  if (status >= 500 && !isJson(headers)) throw new WechatNetworkError(call.name, `HTTP ${status}`, 'unknown')
  // Redirects are never followed: they would carry our credentials to a host of somebody else's choice.
  if (status >= 300 && status < 400) throw new WechatReplyError(call.name, `answered with a redirect (HTTP ${status})`)
  if (headers['content-encoding'] && headers['content-encoding'] !== 'identity') {
    throw new WechatReplyError(call.name, 'the answer is compressed, which was not asked for')
  }
}

/** A 5xx in JSON is WeChat Pay's own word, with a code; in HTML it is a gateway's. */
const isJson = (headers: Head['headers']) => String(headers['content-type']).startsWith('application/json')
