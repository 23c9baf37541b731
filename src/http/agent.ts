/** undici agents for WeChat: one TLS context for all sockets, resumed sessions, and a proxy if one is configured. */
import { createSecureContext, rootCertificates } from 'node:tls'
import type { SecureContext, TLSSocket } from 'node:tls'
import { LRUCache } from 'lru-cache'
import type { Dispatcher } from 'undici'
import type { ClientCertificate, Connecting } from './options.ts'

// Loaded by the first call: importing undici takes longer than the rest of the package together.
let loaded: Promise<typeof import('undici')> | undefined
export async function undici (): Promise<typeof import('undici')> {
  loaded ??= import('undici')
  return await loaded
}

/** Milliseconds for each step of connecting: to the host; to the proxy, its answer, and TLS behind it. */
const CONNECT_TIMEOUT = 3000

/**
 * WeChat Pay closes connections that were idle for 8 s and says so in each answer: `Keep-Alive: timeout=8` is in the example
 * of its page on verifying answers (签名验证, 2019) and in answers that merchants published in 2021, 2023 and 2024. We
 * close two seconds earlier, so that no order is written to a socket that the server is closing; after
 * four seconds if the server does not announce a timeout.
 */
const KEEP_ALIVE = { keepAliveTimeout: 4000, keepAliveTimeoutThreshold: 2000, keepAliveMaxTimeout: 600_000 }

/** By `ca`, without a client certificate: shared by the whole process, since each one parses all the usual authorities (30 ms). */
const contexts = new LRUCache<string, SecureContext>({ max: 10 })

/** Trusts the usual authorities and those of `ca`. */
export function secureContextOf ({ ca, certificate }: { ca: readonly string[], certificate?: ClientCertificate | undefined }): SecureContext {
  const authorities = ca.length > 0 ? { ca: [...rootCertificates, ...ca] } : {}
  if (certificate) return createSecureContext({ ...authorities, ...certificate })
  const key = ca.join('\n')
  const context = contexts.get(key) ?? createSecureContext(authorities)
  contexts.set(key, context)
  return context
}

export async function createAgent (connecting: Connecting): Promise<Dispatcher> {
  const { Agent, EnvHttpProxyAgent, Pool, ProxyAgent, buildConnector } = await undici()
  const { connections, proxy, env } = connecting
  let context: SecureContext | undefined
  const tls = {
    // Created once for all sockets, and by the first one that needs it.
    get secureContext () {
      context ??= secureContextOf(connecting)
      return context
    },
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment cannot disable it.
    rejectUnauthorized: true,
    timeout: CONNECT_TIMEOUT
  }
  // undici keeps sessions in weak references, which the next garbage collection clears.
  const sessions = new Map<string, Buffer>()
  const connect: ReturnType<typeof buildConnector> = (options, callback) => {
    const host = `${options.servername || options.hostname}:${options.port}`
    const connector = options.protocol === 'https:' ? buildConnector({ ...tls, maxCachedSessions: 0, session: sessions.get(host) }) : buildConnector({ timeout: CONNECT_TIMEOUT })
    const socket = connector(options, callback) as unknown as TLSSocket
    // For the next socket. A session that cannot be resumed costs a full handshake and is replaced.
    return socket.on('session', session => { sessions.set(host, session) }) as never
  }

  const direct = { connections, pipelining: 1, connect, ...KEEP_ALIVE }
  if (!proxy && !env) return new Agent(direct)

  const through = {
    ...direct,
    // TLS to WeChat inside the tunnel: only here is the merchant's certificate presented.
    requestTls: tls,
    proxyTls: { secureContext: secureContextOf({ ca: connecting.ca }), rejectUnauthorized: true, timeout: CONNECT_TIMEOUT },
    // For a proxy that accepts the connection and never answers.
    clientFactory: (origin: URL, options: object) => new Pool(origin, { ...options, headersTimeout: CONNECT_TIMEOUT })
  }
  if (proxy) return new ProxyAgent({ ...through, uri: proxy.uri, ...(proxy.token !== undefined && { token: proxy.token }) })
  // EnvHttpProxyAgent reads NO_PROXY itself, for each call.
  return new EnvHttpProxyAgent({ ...through, httpProxy: env?.httpProxy?.href ?? '', httpsProxy: env?.httpsProxy?.href ?? '' })
}
