/**
 * Meanings of `errcode`s for mini program calls. WeChat's documentation of code2Session, getPhoneNumber, checkSessionKey,
 * getUnlimitedQRCode and uploadShippingInfo.
 */
import type { CodeInfo } from '../errors.ts'

type Codes = Readonly<Record<string, CodeInfo>>

const request = (advice: string, adviceZh: string, statusCode?: number): CodeInfo => ({ fault: 'caller', advice, adviceZh, ...(statusCode && { statusCode }) })

const loginCode = request('A wx.login code works once, for five minutes, and only for its mini program: call wx.login again. If it never works, appId belongs to another mini program.', 'wx.login 的 code 只能使用一次、五分钟内有效，且只属于生成它的小程序：请重新调用 wx.login。若始终无效，请检查 appId 是否为该小程序的。', 403)
const tooOften = { ...request('Too many logins: WeChat allows 100 per user and minute. The page should call wx.login once, and then use your own session.', '登录过于频繁（每个用户每分钟 100 次）：页面应只登录一次并保存自己的会话。', 503), retryable: true }

const LOGIN: Codes = {
  40029: loginCode,
  40163: loginCode,
  41008: loginCode,
  45011: tooOften,
  40226: request('WeChat blocks this user\'s login as high risk: tell the user, and do not retry.', '微信判定该用户为高风险用户，拦截了登录：请提示用户，不要重试。', 403)
}

const phoneCode = request('A code from the phone number button works once, for five minutes, and is not a wx.login code: ask the visitor to press the button again.', '手机号 code 只能使用一次且五分钟内有效，且不是 wx.login 的 code：请用户重新点击按钮授权。', 403)

const PHONE: Codes = {
  40029: phoneCode,
  40163: phoneCode
}

const PICTURE: Codes = {
  40129: request('scene must have 1 to 32 characters of 0-9 A-Z a-z !#$&\'()*+,/:;=?@-._~', 'scene 为 1 到 32 个可见字符：数字、大小写英文以及 !#$&\'()*+,/:;=?@-._~', 400),
  41030: request('page does not exist in the published mini program (no leading /, no query). checkPath: false allows an unpublished page.', 'page 不是已发布小程序中的页面（不带前导 / 与参数）；未发布的页面请设置 checkPath: false。', 400),
  40159: request('path is missing, or longer than 1024 characters.', 'path 不能为空，且长度不超过 1024。', 400),
  45029: request('All 100,000 codes with a path have been created: use scene, which has no limit.', '带 path 的小程序码数量已达 10 万上限：请改用 scene（不限量）。')
}

const notYet: CodeInfo = { fault: 'wechat', statusCode: 503, retryable: true, advice: 'WeChat\'s shipping service does not know this payment. Right after the payment, retry about ten seconds later; otherwise check transactionId, or mchId and outTradeNo.', adviceZh: '发货服务查不到该支付单：支付后最初几秒内请约十秒后重试；之后请核对 transactionId 或 mchId 与 outTradeNo。' }
const wrong = request('A field of the shipping information is wrong: the message names it.', '发货信息的字段有误：请按提示检查。', 400)

const SHIPPING: Codes = {
  10060001: notYet,
  10060002: request('Everything has already been shipped: query the order.', '支付单已完成发货：请查询发货状态。', 409),
  10060003: request('Completed shipping information can be changed only once, and it has been: query the order.', '发货信息完成后只能修改一次，机会已用完：请查询发货状态。', 409),
  10060004: request('This payment cannot be shipped, because it was refunded or has ended: query the order.', '支付单处于不可发货的状态（已退款或已完结）：请查询。', 409),
  10060031: request('The payment does not belong to this openid: both must be under the mini program\'s appId.', '支付单不属于该 openid：openid 须为该小程序下的。', 400),
  10060005: wrong,
  10060006: wrong,
  10060007: wrong,
  10060008: wrong,
  10060009: wrong,
  10060014: wrong,
  10060020: wrong,
  10060024: wrong,
  10060025: wrong,
  10060026: wrong,
  268485194: wrong,
  268485195: wrong,
  268485196: wrong,
  268485197: wrong,
  268485216: wrong,
  268485224: wrong,
  268485226: wrong,
  268485227: wrong,
  268485228: wrong
}

const BY_CALL: Readonly<Record<string, Codes>> = {
  '/sns/jscode2session': LOGIN,
  '/sns/component/jscode2session': LOGIN,
  '/wxa/business/getuserphonenumber': PHONE,
  '/wxa/getwxacode': PICTURE,
  '/wxa/getwxacodeunlimit': PICTURE,
  '/wxa/sec/order/upload_shipping_info': SHIPPING,
  '/wxa/sec/order/get_order': SHIPPING
}

/** Undefined if the code has its general meaning. */
export const miniProgramCode = (code: string, path: string): CodeInfo | undefined => BY_CALL[path]?.[code]
