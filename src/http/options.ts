/** The options of the way out, checked. */
import type { Dispatcher } from 'undici'
import { WechatConfigError } from '../errors.ts'

export interface HttpOptions {
  /** Milliseconds one attempt may take, from its place in line to the last byte. Default 5000. */
  timeout?: number
  /** How often a call that is safe to repeat is repeated. Default 1. */
  retries?: number
  /** Most sockets to one host at a time, shared by all accounts of the process that connect alike; further calls wait in line. Default 64. */
  connections?: number
  /**
   * The proxy on the way out: an http(s) URL, with user and password where it wants them; calls with the merchant's
   * certificate pass it, too. `env`: as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say. Default: none, whatever the environment says.
   */
  proxy?: string | 'env'
  /** An undici dispatcher (undici 7 or later) that all calls go through. Not beside `ca`, `proxy` or a client certificate: those belong to connections that it makes itself. */
  dispatcher?: Dispatcher
  /** More certificate authorities (PEM) to trust besides the usual ones: the emulator's, or a company proxy's. */
  ca?: string | readonly string[]
}

/** What a client shows of itself in mutual TLS. */
export type ClientCertificate =
  | { pfx: Buffer, passphrase: string }
  | { cert: string | Buffer, key: string | Buffer, passphrase?: string }

/** A proxy's address without its credentials, the header that holds them, and the whole. */
export interface Proxy { uri: string, token?: string, href: string }

/** What decides which connections a call may use: two clients of whom all of this is equal share them. */
export interface Connecting {
  connections: number
  ca: readonly string[]
  certificate: ClientCertificate | undefined
  proxy: Proxy | undefined
  /** As the environment was when the client was made. */
  env: { httpProxy: Proxy | undefined, httpsProxy: Proxy | undefined } | undefined
}

export interface CheckedHttp {
  timeout: number
  retries: number
  /** The host's own, instead of `connecting`. */
  dispatcher: Dispatcher | undefined
  connecting: Connecting
}

/** Measured in bench/pool.ts: more sockets cost processor and bring no more answers. */
const CONNECTIONS = 64

/** @throws WechatConfigError naming the option, never its value: a proxy's URL holds a password */
export function checkHttp ({ timeout = 5000, retries = 1, connections = CONNECTIONS, proxy, dispatcher, ca }: HttpOptions = {}, certificate?: ClientCertificate): CheckedHttp {
  if (!Number.isInteger(connections) || connections < 1) throw new WechatConfigError('http.connections', 'must be a whole number from 1')
  if (dispatcher) {
    if (typeof dispatcher.dispatch !== 'function') throw new WechatConfigError('http.dispatcher', 'must be a dispatcher of undici')
    if (proxy !== undefined) throw new WechatConfigError('http.dispatcher', 'and http.proxy are two ways out: leave one out')
    if (ca !== undefined) throw new WechatConfigError('http.dispatcher', 'makes its own connections and would not know http.ca: for a proxy use http.proxy, or give the dispatcher the authority and leave http.ca out')
    if (certificate) throw new WechatConfigError('http.dispatcher', 'makes its own connections and would not show the merchant\'s certificate: for a proxy use http.proxy')
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
