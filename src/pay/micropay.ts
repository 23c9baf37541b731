/** Pay by code, to one clear end, by whichever version: WeChat Pay documentation, "Code payment". */
import type { Clock } from '../clock.ts'
import { WechatError, WechatReplyError } from '../errors.ts'
import type { MicropayOrder, Payment, UnpaidOrder } from './order.ts'
import type { PayByCode, PayVersion } from './version.ts'

/** Milliseconds between two looks at an order whose payer is typing the password, and how long we go on looking. */
const PAUSE = 5000
const PATIENCE = 30_000
/** How often a reversal is tried that WeChat asks to repeat. */
const REVERSALS = 5

/**
 * Takes the money, or makes sure that it is not taken: a payer who is slow is waited for, and then the order is reversed.
 * @throws WechatApiError (AUTHCODEEXPIRE, NOTENOUGH …) when it was refused; WechatNetworkError or WechatReplyError with an
 * unknown outcome only if even reversing it failed: then reverse or query it later
 */
export async function micropay (order: MicropayOrder, { payByCode, query }: Pick<PayVersion, 'payByCode' | 'query'>, clock: Clock): Promise<Payment | UnpaidOrder> {
  const payment = await payByCode.take(order)
  if (payment?.outTradeNo === order.outTradeNo && payment.amount === order.amount) return payment
  return await watched(order, query, clock) ?? await reversed(order, payByCode, clock)
}

/** What became of it while we looked; undefined if nothing has. */
async function watched ({ outTradeNo }: MicropayOrder, query: PayVersion['query'], clock: Clock): Promise<Payment | UnpaidOrder | undefined> {
  for (const end = clock.now() + PATIENCE; clock.now() < end;) {
    await clock.sleep(PAUSE)
    // A query that fails says nothing: the next one may.
    const seen = await query({ outTradeNo }).catch(() => undefined)
    if (seen && seen.state !== 'USERPAYING' && seen.state !== 'NOTPAY') return seen
  }
}

/** The order is at an end and the money, if it moved, goes back. */
async function reversed ({ outTradeNo }: MicropayOrder, { reverse }: PayByCode, clock: Clock): Promise<UnpaidOrder> {
  let last: unknown
  for (let tries = 0; tries < REVERSALS; tries++) {
    try {
      return await reverse(outTradeNo)
    } catch (error) {
      last = error
    }
    await clock.sleep(PAUSE)
  }
  throw last instanceof WechatError && 'outcome' in last
    ? last
    : new WechatReplyError('reverse', `the order could be neither paid nor reversed (${(last as WechatError).wechatCode ?? 'no code'})`)
}
