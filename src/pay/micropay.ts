/** Pay by code with a definite result, for both versions: WeChat Pay documentation, "Code payment". */
import type { Clock } from '../clock.ts'
import { WechatError, WechatReplyError } from '../errors.ts'
import type { MicropayOrder, Payment, UnpaidOrder } from './order.ts'
import type { PayByCode, PayVersion } from './version.ts'

/** Milliseconds between two queries while the payer types the password, and in total. */
const PAUSE = 5000
const TIMEOUT = 30_000
/** How often to retry a reversal that WeChat asks to repeat. */
const REVERSALS = 5

/**
 * Takes the money, or makes sure that it is not taken: waits for a slow payer, then reverses the order.
 * @throws WechatApiError (AUTHCODEEXPIRE, NOTENOUGH …) if it was refused; WechatNetworkError or WechatReplyError with an
 * unknown outcome only if the reversal failed, too: then reverse or query it later
 */
export async function micropay (order: MicropayOrder, { payByCode, query }: Pick<PayVersion, 'payByCode' | 'query'>, clock: Clock): Promise<Payment | UnpaidOrder> {
  const payment = await payByCode.take(order)
  if (payment?.outTradeNo === order.outTradeNo && payment.amount === order.amount) return payment
  return await watched(order, query, clock) ?? await reversed(order, payByCode, clock)
}

/** The result, if the order reached one while we polled; otherwise undefined. */
async function watched ({ outTradeNo }: MicropayOrder, query: PayVersion['query'], clock: Clock): Promise<Payment | UnpaidOrder | undefined> {
  for (const end = clock.now() + TIMEOUT; clock.now() < end;) {
    await clock.sleep(PAUSE)
    // A failed query proves nothing: keep polling.
    const seen = await query({ outTradeNo }).catch(() => undefined)
    if (seen && seen.state !== 'USERPAYING' && seen.state !== 'NOTPAY') return seen
  }
}

/** Ends the order; money that moved is returned. */
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
