/** For routes that send a browser to WeChat and take it back. */
import type { FastifyRequest } from 'fastify'

/** A request for the log: until a code of its query is redeemed, it is worth a login. */
export const withoutQuery = ({ method, url, ip }: FastifyRequest) => ({ method, url: url.split('?')[0], remoteAddress: ip })

/**
 * The path of these routes, as the browser sends it: the cookie is limited to it. Built from the route and its
 * parameters, never from the URL, which someone else's link may spell differently. `name`: their first segment.
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
export function samePlace (path: unknown): string | undefined {
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
