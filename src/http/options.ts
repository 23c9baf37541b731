/** The `http` options, checked. */
import type { Dispatcher } from 'undici'
import { WechatConfigError } from '../errors.ts'

export interface HttpOptions {
  /** Milliseconds for one attempt, from entering the queue to the last byte. Default 5000. */
  timeout?: number
  /** How often to retry a call that is safe to repeat. Default 1. */
  retries?: number
  /** Maximum number of sockets per host, shared by all accounts of the process with the same connection options; further calls wait in a queue. Default 64. */
  connections?: number
  /**
   * The proxy for calls to WeChat: an http(s) URL, with user and password if needed; calls with the merchant's
   * certificate use it, too. `env`: follow HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Default: no proxy; the environment is ignored.
   */
  proxy?: string | 'env'
  /** Your own undici dispatcher (undici 7 or later) for all calls. Not together with `ca`, `proxy` or a client certificate: it makes its own connections. */
  dispatcher?: Dispatcher
  /** Certificate authorities (PEM) to trust in addition to the usual ones: the emulator's, or a company proxy's. */
  ca?: string | readonly string[]
}

/** A client certificate for mutual TLS. */
export type ClientCertificate =
  | { pfx: Buffer, passphrase: string }
  | { cert: string | Buffer, key: string | Buffer, passphrase?: string }

/** A proxy's address without credentials, the header with the credentials, and the full URL. */
export interface Proxy { uri: string, token?: string, href: string }

/** Decides which connections a call may use: clients for which all of this is equal share them. */
export interface Connecting {
  connections: number
  ca: readonly string[]
  certificate: ClientCertificate | undefined
  proxy: Proxy | undefined
  /** The environment's proxies when the client was created. */
  env: { httpProxy: Proxy | undefined, httpsProxy: Proxy | undefined } | undefined
}

export interface CheckedHttp {
  timeout: number
  retries: number
  /** The application's own dispatcher, instead of `connecting`. */
  dispatcher: Dispatcher | undefined
  connecting: Connecting
}

/** Measured in bench/pool.ts: more sockets cost CPU time without more throughput. */
const CONNECTIONS = 64

/** @throws WechatConfigError naming the option, never its value: a proxy's URL contains a password */
export function checkHttp ({ timeout = 5000, retries = 1, connections = CONNECTIONS, proxy, dispatcher, ca }: HttpOptions = {}, certificate?: ClientCertificate): CheckedHttp {
  if (!Number.isInteger(connections) || connections < 1) throw new WechatConfigError('http.connections', 'must be a whole number from 1')
  if (dispatcher) {
    if (typeof dispatcher.dispatch !== 'function') throw new WechatConfigError('http.dispatcher', 'must be a dispatcher of undici')
    if (proxy !== undefined) throw new WechatConfigError('http.dispatcher', 'cannot be combined with http.proxy: leave one of them out')
    if (ca !== undefined) throw new WechatConfigError('http.dispatcher', 'makes its own connections and would ignore http.ca: for a proxy use http.proxy, or configure the authority in the dispatcher and leave http.ca out')
    if (certificate) throw new WechatConfigError('http.dispatcher', 'makes its own connections and would not present the merchant\'s certificate: for a proxy use http.proxy')
  }
  return {
    timeout,
    retries,
    dispatcher,
    connecting: {
      connections,
      ca: [ca ?? []].flat(),
      certificate,
      proxy: proxy === undefined || proxy === 'env' ? undefined : readProxy(proxy, 'must be an http(s) URL, such as http://user:password@proxy.example.com:3128, or env'),
      env: proxy === 'env' ? readEnvironment() : undefined
    }
  }
}

function readProxy (url: unknown, problem: string): Proxy {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.hostname === '' || parsed.pathname !== '/' || parsed.search || parsed.hash) throw new WechatConfigError('http.proxy', problem)
  const { origin, href, username, password } = parsed
  if (username === '' && password === '') return { uri: origin, href }
  try {
    return { uri: origin, href, token: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}` }
  } catch {
    throw new WechatConfigError('http.proxy', 'has a user or password that is not percent-encoded')
  }
}

function readEnvironment (): NonNullable<Connecting['env']> {
  const read = (...names: string[]): Proxy | undefined => {
    const name = names.find(name => process.env[name])
    return name === undefined ? undefined : readProxy(process.env[name], `reads ${name} from the environment, which must be an http(s) URL`)
  }
  return { httpProxy: read('http_proxy', 'HTTP_PROXY'), httpsProxy: read('https_proxy', 'HTTPS_PROXY') }
}
