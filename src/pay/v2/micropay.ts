/** Pay by code, to one clear end: WeChat Pay v2 documentation, "Submit a micropay payment" and "Reverse an order". */
import type { Clock } from '../../clock.ts'
import { WechatApiError, WechatConfigError, WechatError, WechatReplyError } from '../../errors.ts'
import type { CheckedV2 } from '../merchant.ts'
import type { MicropayOrder, Payment, UnpaidOrder } from '../order.ts'
import type { PayVersion } from '../version.ts'
import type { V2Caller } from './client.ts'
import { orderParams } from './pay.ts'
import { asPayment, oddField } from './payment.ts'

/** Milliseconds between two looks at an order whose payer is typing the password, and how long we go on looking. */
const PAUSE = 5000
const PATIENCE = 30_000
/** How often a reversal is tried that WeChat asks to repeat. */
const REVERSALS = 5

/** Answers that leave open whether the money has moved. */
const OPEN_END = new Set(['USERPAYING', 'SYSTEMERROR', 'BANKERROR'])

/**
 * Takes the money, or makes sure that it is not taken: a payer who is slow is waited for, and then the order is reversed.
 * @throws WechatApiError (AUTHCODEEXPIRE, NOTENOUGH …) when it was refused; WechatNetworkError or WechatReplyError with an
 * unknown outcome only if even reversing it failed: then reverse or query it later
 */
export async function micropay (order: MicropayOrder, v2: V2Caller, { query }: PayVersion, appId: string, merchant: CheckedV2, clock: Clock): Promise<Payment | UnpaidOrder> {
  // Without it a payment of unknown outcome could not be reversed: better not begun.
  if (!merchant.certificate) throw new WechatConfigError('merchant.v2.pfx', '(or cert with key) is required for micropay: an order that fails half-way is reversed with it')
  try {
    const fields = await v2.post('/pay/micropay', { ...orderParams(order), auth_code: order.authCode })
    const payment = oddField(fields) === undefined ? asPayment(fields, 'SUCCESS') : undefined
    if (payment?.outTradeNo === order.outTradeNo && payment.amount === order.amount) return payment
  } catch (error) {
    if (!mayHavePaid(error)) throw error
  }
  return await watched() ?? await reversed()

  /** What became of it while we looked; undefined if nothing has. */
  async function watched (): Promise<Payment | UnpaidOrder | undefined> {
    for (const end = clock.now() + PATIENCE; clock.now() < end;) {
      await clock.sleep(PAUSE)
      // A query that fails says nothing: the next one may.
      const seen = await query({ outTradeNo: order.outTradeNo }).catch(() => undefined)
      if (seen && seen.state !== 'USERPAYING' && seen.state !== 'NOTPAY') return seen
    }
  }

  /** The order is at an end and the money, if it moved, goes back. */
  async function reversed (): Promise<UnpaidOrder> {
    let last: unknown
    for (let tries = 0; tries < REVERSALS; tries++) {
      try {
        const raw = await v2.post('/secapi/pay/reverse', { out_trade_no: order.outTradeNo })
        return { outTradeNo: order.outTradeNo, state: 'REVOKED', appId: raw.appid as string, mchId: raw.mch_id as string, raw }
      } catch (error) {
        last = error
        // It never arrived: there is nothing to give back.
        if ((error as WechatError).wechatCode === 'ORDERNOTEXIST') return { outTradeNo: order.outTradeNo, state: 'NOTPAY', appId, mchId: merchant.mchId, raw: {} }
      }
      await clock.sleep(PAUSE)
    }
    throw last instanceof WechatError && 'outcome' in last
      ? last
      : new WechatReplyError('/secapi/pay/reverse', `the order could be neither paid nor reversed (${(last as WechatError).wechatCode ?? 'no code'})`)
  }
}

function mayHavePaid (error: unknown): boolean {
  if (error instanceof WechatApiError) return OPEN_END.has(String(error.wechatCode))
  return (error as { outcome?: string }).outcome === 'unknown'
}
