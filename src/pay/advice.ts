/** Advice that the error codes of both versions share. */
import type { CodeInfo } from '../errors.ts'

/** The caller must fix it; retrying before that is pointless. */
export const caller = (advice: string, adviceZh: string, statusCode?: number): CodeInfo => ({ fault: 'caller', advice, adviceZh, ...(statusCode && { statusCode }) })
/** Temporary: the same call with the same numbers may succeed. */
export const transient = (advice: string, adviceZh: string, statusCode?: number): CodeInfo => ({ fault: 'wechat', retryable: true, advice, adviceZh, ...(statusCode && { statusCode }) })

export const permission = caller('The merchant does not have this permission: apply for the product in WeChat Pay\'s console.', '商户无此接口权限，请在商户平台开通对应产品。')
export const parameter = caller('A parameter is wrong: the message names it.', '参数错误，请按提示对照接口文档检查。')
export const failing = transient('WeChat failed: repeat with the SAME parameters and number, or query.', '微信系统异常，请用原单号原参数重试或先查单。')
export const tooOften = transient('Too many calls: slow down, then repeat with the same number.', '调用过于频繁，请降低频率后用原单号重试。', 503)

/** Whose money is missing: the payer's for payments, the merchant's for payouts and refunds. */
export const payerBalanceTooLow = caller('The payer does not have enough money: let them choose another way to pay.', '付款用户余额不足，请用户更换支付方式。', 400)
export const merchantBalanceTooLow = caller('The balance of the merchant\'s account is too low: top it up, then repeat with the same number.', '商户账户余额不足，请充值后用原单号重试。')
export const badCode = caller('The payment code has expired (after one minute), was used, or is not WeChat\'s: ask the payer to refresh it, and use a new order number.', '付款码已过期、已使用或不是微信付款码：请顾客刷新后重新扫码，并使用新单号。', 400)
/** WeChat blocks the merchant for a minute: the client does not retry this by itself. */
export const tooManyRefused = transient('WeChat blocks the merchant for a minute after many invalid requests: find out why they were refused, then repeat with the same number.', '无效请求过多，已被微信短暂屏蔽：请先排查此前被拒的原因，一分钟后用原单号重试。', 503)
