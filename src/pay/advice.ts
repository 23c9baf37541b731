/** The words that both versions' error codes are told in. */
import type { CodeInfo } from '../errors.ts'

/** The caller's to mend, and no repeat helps before it is mended. */
export const caller = (advice: string, adviceZh: string, statusCode?: number): CodeInfo => ({ fault: 'caller', advice, adviceZh, ...(statusCode && { statusCode }) })
/** Passes by itself: the same call with the same numbers may succeed. */
export const passing = (advice: string, adviceZh: string, statusCode?: number): CodeInfo => ({ fault: 'wechat', retryable: true, advice, adviceZh, ...(statusCode && { statusCode }) })

export const permission = caller('The merchant lacks the permission: apply for the product in WeChat Pay\'s console.', '商户无此接口权限，请在商户平台开通对应产品。')
export const parameter = caller('A parameter is wrong: the message names it.', '参数错误，请按提示对照接口文档检查。')
export const failing = passing('WeChat failed: repeat with the SAME parameters and number, or query.', '微信系统异常，请用原单号原参数重试或先查单。')
export const tooOften = passing('Too many calls: slow down, then repeat with the same number.', '调用过于频繁，请降低频率后用原单号重试。', 503)

/** Money that is missing is the payer's where somebody pays, and the merchant's where the merchant pays. */
export const payerPoor = caller('The payer\'s money does not suffice: let them choose another way to pay.', '付款用户余额不足，请用户更换支付方式。', 400)
export const merchantPoor = caller('The balance of the merchant\'s account is too low: top it up, then repeat with the same number.', '商户账户余额不足，请充值后用原单号重试。')
export const badCode = caller('The payment code is over a minute old, used or not one of WeChat\'s: ask the payer to refresh it, and take a new order number.', '付款码已过期、已使用或不是微信付款码：请顾客刷新后重新扫码，并使用新单号。', 400)
/** WeChat takes no call of this merchant's for a minute: the client repeats nothing by itself here. */
export const tooManyRefused = passing('WeChat shuts the merchant out for a minute after many requests that cannot be: look at why they were refused, then repeat with the same number.', '无效请求过多，已被微信短暂屏蔽：请先排查此前被拒的原因，一分钟后用原单号重试。', 503)
