/** An answer about the right order that cannot be read. WeChat adds states, so the error must name the state. */
import { WechatReplyError } from '../errors.ts'

/** Known states: if an order in one of them is unreadable, something else is missing. */
const KNOWN = new Set(['SUCCESS', 'REFUND', 'NOTPAY', 'CLOSED', 'REVOKED', 'USERPAYING', 'PAYERROR'])

/** @throws WechatReplyError always, naming the state if it is unknown */
export function throwMalformedOrder (path: string, state: unknown): never {
  const named = typeof state === 'string' && /^[A-Z_]{1,32}$/.test(state) && !KNOWN.has(state)
  throw new WechatReplyError(path, named ? `the order is in the state ${state}, which is unknown to this library: treat it as neither paid nor closed, and query again later` : 'fields of the order are missing or malformed')
}
