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
