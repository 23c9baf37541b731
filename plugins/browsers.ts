/** Helpers for routes that redirect a browser to WeChat and back. */
import type { CookieSerializeOptions, Signer } from '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { WechatConfigError, WechatLoginError } from '../src/errors.ts'
import { nonce } from '../src/nonce.ts'

/** The request for the log, without its query: an unredeemed code is as good as a login. */
export const withoutQuery = ({ method, url, ip }: FastifyRequest) => ({ method, url: url.split('?')[0], remoteAddress: ip })

/**
 * The routes' path as the browser sends it, which limits the cookie. Built from the route and its
 * parameters, never from the URL, because a link may spell the same path differently. `name`: the first segment.
 */
export function baseOf ({ routeOptions: { url = '' }, params }: FastifyRequest, name: string): string {
  const values = params as Record<string, string>
  return url.slice(0, url.lastIndexOf(`/${name}/`) + name.length + 1)
    .replace(PARAMETER, (_whole, name: string) => encodeURIComponent(values[name] ?? ''))
    .replaceAll('::', ':')
}

/** find-my-way's `:name` or `:name(regexp)`; a double colon is a literal colon. */
const PARAMETER = /(?<!:):(\w+)(?:\((?:[^()]|\([^()]*\))*\))?/g

/** A path of this site; undefined for anything that a browser or a proxy might interpret as another site. */
export function sameSitePath (path: unknown): string | undefined {
  if (typeof path !== 'string' || path.length > 1024) return undefined
  let url, decoded
  try {
    decoded = decodeURIComponent(path)
    url = new URL(path, 'http://here.invalid')
  } catch {
    return undefined
  }
  // Check the decoded path, too: %09 or %2f may get decoded on the way.
  if (![path, decoded].every(text => /^\/(?![/\\])[^\\\x00-\x1f\x7f]*$/.test(text))) return undefined
  const place = url.pathname + url.search + url.hash
  return url.host === 'here.invalid' && !place.startsWith('//') ? place : undefined
}

/** Where browsers reach this server. Never taken from a request's headers, which anyone can set. */
export function originOf (app: FastifyInstance, origin: string | undefined): string {
  if (!origin && process.env.NODE_ENV === 'production') throw new WechatConfigError('origin', 'is required if NODE_ENV is production: WeChat redirects browsers back there')
  return (origin ?? (app.addresses().length > 0 ? app.listeningOrigin : 'http://localhost')).replace(/\/+$/, '')
}

/** A browser on its way to WeChat and back. `until`: milliseconds since 1970. */
export interface RoundTrip { state: string, returnTo: string, until: number }

export interface RoundTripOptions {
  /** The first segment of the routes, such as `oauth`. */
  routes: string
  cookiePrefix: string
  /** Seconds until the browser must be back. */
  lifetime: number
  defaultReturnTo: string
  secureCookie: boolean | undefined
  signerOf (request: FastifyRequest): Signer
  /** The message if the browser has no trip with this state. */
  unknown: string
}

/** Ties a `state` to the browser that left with it, by a signed cookie: the server keeps nothing. */
export function createRoundTrips ({ routes, cookiePrefix, lifetime, defaultReturnTo, secureCookie, signerOf, unknown }: RoundTripOptions) {
  const cookieName = (state: string) => cookiePrefix + state.slice(0, 8)
  const cookieOptions = (request: FastifyRequest): CookieSerializeOptions => ({
    path: baseOf(request, routes),
    httpOnly: true,
    sameSite: 'lax',
    secure: secureCookie ?? (process.env.NODE_ENV === 'production' || request.protocol === 'https')
  })
  return {
    begin (returnTo: unknown): RoundTrip {
      return { state: nonce(), returnTo: sameSitePath(returnTo) ?? defaultReturnTo, until: Date.now() + lifetime * 1000 }
    },
    remember (trip: RoundTrip, request: FastifyRequest, reply: FastifyReply): void {
      reply.setCookie(cookieName(trip.state), signerOf(request).sign(JSON.stringify(trip)), { ...cookieOptions(request), maxAge: lifetime })
    },
    /** @throws WechatLoginError WECHAT_LOGIN_STATE if this browser did not leave with this state, or too long ago */
    find (state: unknown, request: FastifyRequest): RoundTrip {
      if (typeof state === 'string' && /^[0-9a-f]{32}$/.test(state)) {
        const { valid, value } = signerOf(request).unsign(request.cookies[cookieName(state)] ?? '')
        const trip = valid && value ? JSON.parse(value) as RoundTrip : undefined
        if (trip?.state === state && trip.until > Date.now()) return trip
      }
      throw new WechatLoginError('WECHAT_LOGIN_STATE', unknown)
    },
    forget ({ state }: RoundTrip, request: FastifyRequest, reply: FastifyReply): void {
      reply.clearCookie(cookieName(state), cookieOptions(request))
    }
  }
}
