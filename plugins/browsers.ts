/** For routes that send a browser to WeChat and take it back. */
import type { FastifyReply, FastifyRequest } from 'fastify'

/** A request for the log: until a code of its query is redeemed, it is worth a login. */
export const withoutQuery = ({ method, url, ip }: FastifyRequest) => ({ method, url: url.split('?')[0], remoteAddress: ip })

/**
 * The path of these routes, as the browser writes it: the cookie is sent there and nowhere else. From the route and
 * its parameters, never from the URL, in which a stranger's link may spell them otherwise. `name`: their first segment.
 */
export function baseOf ({ routeOptions: { url = '' }, params }: FastifyRequest, name: string): string {
  const values = params as Record<string, string>
  return url.slice(0, url.lastIndexOf(`/${name}/`) + name.length + 1)
    .replace(PARAMETER, (_whole, name: string) => encodeURIComponent(values[name] ?? ''))
    .replaceAll('::', ':')
}

/** `:name` or `:name(regexp)` of find-my-way's; two colons are one that is no parameter. */
const PARAMETER = /(?<!:):(\w+)(?:\((?:[^()]|\([^()]*\))*\))?/g

/** Whether a host's handler has answered by itself. */
export const answered = (answer: unknown, reply: FastifyReply) => answer !== undefined || reply.sent || reply.hasHeader('location')

/** A path of this site, or undefined for anything that a browser or a proxy might take for another place. */
export function samePlace (path: unknown): string | undefined {
  if (typeof path !== 'string' || path.length > 1024) return undefined
  let url, decoded
  try {
    decoded = decodeURIComponent(path)
    url = new URL(path, 'http://here.invalid')
  } catch {
    return undefined
  }
  // Decoded too: what hides in %09 or %2f comes out somewhere on the way.
  if (![path, decoded].every(text => /^\/(?![/\\])[^\\\x00-\x1f\x7f]*$/.test(text))) return undefined
  const place = url.pathname + url.search + url.hash
  return url.host === 'here.invalid' && !place.startsWith('//') ? place : undefined
}
