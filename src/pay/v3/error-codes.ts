/** What v3's `code`s mean for a caller, and the inner codes at the end of Request-ID: WeChat Pay APIv3 documentation, and WeChat Pay's trouble-shooting guide. */
import type { CodeInfo } from '../../errors.ts'
import { badCode, caller, failing, merchantBalanceTooLow, parameter, transient, payerBalanceTooLow, permission, tooManyRefused, tooOften } from '../advice.ts'

const sign = caller('Check that merchant.v3.serialNo and privateKey belong together and to this merchant, and that the server\'s clock is right.', '请检查商户 API 证书序列号与私钥是否配套、是否属于该商户号，以及服务器时间是否准确。')
const paid = caller('The order is paid: query it and deliver.', '订单已支付，请查单后发货，不要重复下单。', 409)
const notFound = caller('WeChat has no record of this number: check that it was submitted, and by this merchant.', '查无此单：请确认该单已由本商户号成功提交。', 404)
const reused = caller('The number was used before with other parameters: repeat the call with the original parameters, or query it. Until you know the outcome, using a new number may pay or refund twice.', '该单号此前以不同参数提交过：请用原参数重试或先查询；原单结果未明之前换新单号，可能会重复支付或退款。', 409)

export const V3_CODES: Readonly<Record<string, CodeInfo>> = {
  SYSTEM_ERROR: failing,
  SYSTEMERROR: failing,
  BANK_ERROR: transient('The bank failed: query the order first.', '银行系统异常，请先查单确认结果。'),
  FREQUENCY_LIMITED: tooOften,
  FREQUENCY_LIMIT_EXCEED: tooOften,
  RATELIMIT_EXCEED: tooOften,
  USERPAYING: transient('The payer is typing the password: query again.', '用户支付中，请稍后查单。', 202),
  SIGN_ERROR: sign,
  PARAM_ERROR: parameter,
  INVALID_REQUEST: caller('A business rule forbids it: see the message.', '业务规则不允许，原因见错误描述。'),
  NO_AUTH: permission,
  NOAUTH: permission,
  RULE_LIMIT: caller('A limit or a risk rule of WeChat Pay blocks it: see the message and the merchant\'s console.', '触发微信支付限额或风控规则，请查看错误描述与商户平台。'),
  APPID_MCHID_NOT_MATCH: caller('Bind the appId to the merchant in WeChat Pay\'s console (Product centre, AppID).', '请在商户平台「产品中心 - AppID 账号管理」绑定 appId。'),
  MCH_NOT_EXISTS: caller('Check merchant.mchId.', '请检查商户号。'),
  ACCOUNT_ERROR: caller('The account is closed or abnormal.', '账户异常或已注销。'),
  OPENID_MISMATCH: caller('The openid belongs to another appId: use the one from a login with this appId.', 'openid 属于其他 appId：请使用当前 appId 授权得到的 openid。'),
  ORDER_NOT_EXIST: notFound,
  ORDERNOTEXIST: notFound,
  RESOURCE_NOT_EXISTS: notFound,
  NOT_FOUND: notFound,
  ORDERPAID: paid,
  ORDER_PAID: paid,
  ORDER_CLOSED: caller('The order is closed: place a new one under a new number.', '订单已关闭，请使用新单号重新下单。', 409),
  ORDER_REVERSED: caller('The order was reversed: place a new one under a new number.', '订单已撤销，请使用新单号重新下单。', 409),
  OUT_TRADE_NO_USED: reused,
  ALREADY_EXISTS: reused,
  INVALID_TRANSACTIONID: notFound,
  TRADE_ERROR: caller('The order\'s state does not allow this: query the order.', '交易状态不允许该操作，请先查单。', 409),
  NOT_ENOUGH: merchantBalanceTooLow,
  USER_ACCOUNT_ABNORMAL: caller('The payer\'s account is closed or abnormal: resolve it with the payer.', '用户账户异常或已注销，请联系用户以其他方式退款。', 409),
  REQUEST_BLOCKED: permission,
  NO_STATEMENT_EXIST: caller('There is no bill for that day: there were no transactions.', '当日无账单：没有交易。', 404),

  // Pay by code. No record shows which spelling APIv3 uses; these are v2's codes, in both forms.
  AUTH_CODE_INVALID: badCode,
  AUTH_CODE_ERROR: badCode,
  AUTH_CODE_EXPIRED: badCode,
  AUTHCODEEXPIRE: badCode,

  // Older spellings that some calls still use.
  NOTENOUGH: merchantBalanceTooLow,
  BANKERROR: transient('The bank failed: query the order first.', '银行系统异常，请先查单确认结果。'),
  RATELIMIT_EXCEEDED: tooOften,
  SIGNERROR: sign,
  ACCOUNTERROR: caller('The account is closed or abnormal.', '账户异常或已注销。'),
  OPENIDMISMATCH: caller('The openid belongs to another appId: use the one from a login with this appId.', 'openid 属于其他 appId：请使用当前 appId 授权得到的 openid。'),
  RULELIMIT: caller('A limit or a risk rule of WeChat Pay blocks it: see the message and the merchant\'s console.', '触发微信支付限额或风控规则，请查看错误描述与商户平台。'),
  MCHID_NOT_EXIST: caller('Check merchant.mchId.', '请检查商户号。'),
  APPID_NOT_EXIST: caller('Check appId.', '请检查 appId。'),
  ORDERCLOSED: caller('The order is closed: place a new one under a new number.', '订单已关闭，请使用新单号重新下单。', 409),
  ORDERREVERSED: caller('The order was reversed: place a new one under a new number.', '订单已撤销，请使用新单号重新下单。', 409),
  REFUNDNOTEXIST: notFound,
  REFUND_NOT_EXISTS: notFound,
  INVALID_REQ_TOO_MUCH: tooManyRefused,
  STATEMENT_CREATING: transient('The bill is not ready yet: try again after 10:00 (China time) of the next day.', '账单生成中，请次日 10 点后再取。')
}

/** Meanings of the number at the end of Request-ID, from WeChat's guide; it is more specific than the code. */
const INNER_CODES: Readonly<Record<string, CodeInfo>> = {
  268449538: paid,
  268498689: paid,
  268512771: notFound,
  268447843: caller('The order belongs to another merchant.', '商户号与订单不匹配。', 404),
  268447840: tooOften,
  268498688: reused,
  268447914: caller('The order is no longer valid: place a new one.', '该订单已失效，请重新下单。', 409),
  268443704: caller('A service provider must set the sub-merchant (merchant.subMchId).', '服务商必须传入 sub_mchid。'),
  268443715: caller('The merchant is disabled or closed.', '商户状态为不可用或者已经注销。'),
  268445527: caller('Bind the appId to the merchant in WeChat Pay\'s console (Product centre, AppID).', '请在商户平台「产品中心 - AppID 账号管理」绑定 appId。'),
  268449641: caller('A pay-by-code order is reversed, not closed.', '付款码订单不能关单，只能撤销。', 409),
  268501013: caller('A JSAPI order requires the payer\'s openid.', 'JSAPI 支付必须传 openid。')
}

/** Calls in which someone pays the merchant; in all others the merchant's money is meant. */
const PAYMENT = /^\/v3\/(?:pay|combine-transactions)\//

export function meaningOfV3 (code: string, requestId: string | undefined, path = ''): CodeInfo | undefined {
  const info = INNER_CODES[/-(\d+)$/.exec(requestId ?? '')?.[1] ?? ''] ?? V3_CODES[code]
  return info === merchantBalanceTooLow && PAYMENT.test(path) ? payerBalanceTooLow : info
}
