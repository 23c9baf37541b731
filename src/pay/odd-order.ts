/** An answer about the right order that cannot be read: WeChat adds states, and a caller has to learn which it was. */
import { WechatReplyError } from '../errors.ts'

/** States that are known here; an order in one of them that makes no sense lacks something else. */
const KNOWN = new Set(['SUCCESS', 'REFUND', 'NOTPAY', 'CLOSED', 'REVOKED', 'USERPAYING', 'PAYERROR'])

/** @throws WechatReplyError always, naming the state if that is what is odd */
export function oddOrder (path: string, state: unknown): never {
  const named = typeof state === 'string' && /^[A-Z_]{1,32}$/.test(state) && !KNOWN.has(state)
  throw new WechatReplyError(path, named ? `the order is in the state ${state}, which is not known here: neither paid nor ended, ask again later` : 'fields of the order are missing or not of their form')
}
