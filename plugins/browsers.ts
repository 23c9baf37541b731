/** Helpers for routes that redirect a browser to WeChat and back. */
import type { FastifyRequest } from 'fastify'

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
