/** What the `err_code`s of v2 mean for a caller: WeChat Pay v2 documentation, and replies seen in public. */
import type { CodeInfo } from '../../errors.ts'
import { badCode, caller, failing, merchantBalanceTooLow, parameter, transient, payerBalanceTooLow, permission, tooManyRefused, tooOften } from '../advice.ts'

const reused = caller(
  'The number was used before with other parameters (amount, description, trade type, openid): repeat the call with the original parameters, or query it. Until you know the outcome, using a new number may pay or refund twice.',
  '该单号此前以不同参数提交过（金额、描述、交易类型或 openid）：请用原参数重试或先查询；原单结果未明之前换新单号，可能会重复支付或退款。', 409)
const notFound = caller('WeChat has no such order: check that it was placed, and by this merchant.', '查无此单：请确认该单已由本商户号成功下单。', 404)
const payer = caller('The payer\'s account cannot be used for this: let them choose another way to pay.', '付款用户账户或支付方式受限，请更换支付方式。', 400)

export const ERR_CODES: Readonly<Record<string, CodeInfo>> = {
  // Temporary faults.
  SYSTEMERROR: failing,
  SYSTEM_ERROR: failing,
  BANKERROR: transient('The bank failed: query the order first.', '银行系统异常，请先查单确认结果。'),
  USERPAYING: transient('The payer is typing the password: query every few seconds, and reverse the order if it takes too long.', '用户正在输入密码：请每隔几秒查单，超时则撤销。', 202),
  BIZERR_NEED_RETRY: transient('The refund was not accepted: repeat with the SAME out_refund_no.', '退款业务流程错误，请用原退款单号重试。'),
  FREQUENCY_LIMITED: tooOften,
  FREQ_LIMIT: tooOften,
  RATELIMIT_EXCEED: tooOften,
  INVALID_REQ_TOO_MUCH: tooManyRefused,
  PROCESSING: transient('It is in progress: repeat with the same number, or query.', '处理中，请用原单号重试或查询。', 202),
  // Not `retryable`: that would repeat the call, and the packet may already be sent.
  SEND_FAILED: caller('Query it first. Only if the query says that it failed, send it again, under a new number.', '发放失败：请先查询结果，仅在查询明确为失败后，才可换新单号重新发放。', 409),

  // The order.
  ORDERPAID: caller('The order is paid: query it and deliver.', '订单已支付，请查单后发货，不要重复下单。', 409),
  ORDERCLOSED: caller('The order is closed: place a new one under a new number.', '订单已关闭，请使用新单号重新下单。', 409),
  ORDERREVERSED: caller('The order was reversed: place a new one under a new number.', '订单已撤销，请使用新单号重新下单。', 409),
  ORDERNOTEXIST: notFound,
  ORDER_NOT_EXIST: notFound,
  REFUNDNOTEXIST: caller('WeChat has no such refund: was it requested with this number?', '查无此退款单：请确认退款单号。', 404),
  INVALID_TRANSACTIONID: caller('This is not a valid transaction_id.', '无效的微信支付订单号 transaction_id。', 404),
  INVALID_REQUEST: reused,
  OUT_TRADE_NO_USED: reused,
  TRADE_ERROR: caller('The order\'s state does not allow this: query the order.', '交易状态不允许该操作，请先查单。', 409),
  TRADE_STATE_ERROR: caller('The order\'s state does not allow this: query it.', '订单状态不允许该操作，请先查单。', 409),
  ORDER_NOT_READY: transient('The order is still being processed: repeat in a minute with the same number.', '订单处理中，请稍后用原单号重试。'),
  REVERSE_EXPIRE: caller('Older than seven days: refund it instead.', '订单超过七天不可撤销，请改用退款。', 409),

  // Refunds.
  REFUND_FEE_MISMATCH: caller('This out_refund_no or order was refunded before with other amounts: repeat with the first amounts, or query it. Until you know its outcome, a new number may refund the money twice.', '订单金额或退款金额与之前请求不一致：请用原金额重试或先查询；上一笔结果未明之前换新单号，可能会退两次款。', 409),
  TRADE_OVERDUE: caller('The order is more than a year old: return the money another way.', '订单已超过一年的可退款期限，请以其他方式退还。', 409),
  ERROR: caller('A business rule forbids it: see the message.', '业务规则不允许，原因见错误描述。', 409),
  USER_ACCOUNT_ABNORMAL: caller('The payer\'s account is closed or abnormal: resolve it with the payer.', '用户账户异常或已注销，请联系用户以其他方式退款。', 409),
  NOTENOUGH: merchantBalanceTooLow,
  NOT_ENOUGH: merchantBalanceTooLow,

  // Pay by code.
  AUTHCODEEXPIRE: badCode,
  AUTH_CODE_ERROR: badCode,
  AUTH_CODE_INVALID: badCode,
  BUYER_MISMATCH: caller('Another payer has started to pay this order: place a new one.', '支付账号与之前不同，请使用新单号。', 409),
  NOTSUPORTCARD: payer,
  V2_ACCOUNT_SIMPLE_BAN: payer,
  PAYER_LIMIT: payer,

  // The caller.
  APPID_NOT_EXIST: caller('Check appId.', '请检查 appId。'),
  MCHID_NOT_EXIST: caller('Check merchant.mchId.', '请检查商户号。'),
  APPID_MCHID_NOT_MATCH: caller('Bind the appId to the merchant in WeChat Pay\'s console (Product centre, AppID).', '请在商户平台「产品中心 - AppID 账号管理」绑定 appId。'),
  NO_AUTH: permission,
  NOAUTH: permission,
  ACCOUNTERROR: permission,
  SIGNERROR: caller('Check merchant.v2.apiKey and signType.', '请检查 API 密钥与签名类型。'),
  SIGN_ERROR: caller('Check merchant.v2.apiKey and signType.', '请检查 API 密钥与签名类型。'),
  CA_ERROR: caller('Check merchant.v2.pfx (or cert and key): is it this merchant\'s, and still valid?', '请检查商户 API 证书是否属于该商户号且未过期。'),
  CERT_ERROR: caller('Check merchant.v2.pfx (or cert and key): is it this merchant\'s, and still valid?', '请检查商户 API 证书是否属于该商户号且未过期。'),
  MCHID_APPID_ERROR: caller('The appId does not belong to this merchant.', 'appId 与商户号不匹配。'),

  // Payouts and profit sharing.
  NOT_FOUND: caller('WeChat has no such payment, red packet or share: was it requested with this number, by this merchant?', '查无此单：请确认该单已由本商户号以此单号提交。', 404),
  FATAL_ERROR: reused,
  SENDAMOUNT_LIMIT: caller('The merchant has reached the daily limit: raise it in WeChat Pay\'s console, or continue tomorrow.', '商户今日发放总额已达上限：请在商户平台调整额度，或次日再发。', 409),
  RCVDAMOUNT_LIMIT: caller('This receiver has reached the daily limit: raise it in WeChat Pay\'s console, or continue tomorrow.', '该用户今日领取总额已达上限：请在商户平台调整额度，或次日再发。', 409),
  RECV_ACCOUNT_NOT_ALLOWED: caller('The receiver is not on the merchant\'s list of allowed receivers: see the product\'s settings in WeChat Pay\'s console.', '收款账户不在允许的收款账户列表内：请检查商户平台该产品的配置。', 409),
  NOT_SHARE_ORDER: caller('The order was placed without `profitSharing`, so its money was not frozen: nothing can be shared.', '非分账订单：下单时未指定 profitSharing，不能分账。', 409),
  AMOUNT_OVERDUE: caller('The amount exceeds what is left to share, or the merchant\'s maximum share: query the remaining amount.', '分账金额超过剩余待分金额或最大分账比例：请先查询订单剩余待分金额。', 409),

  // The request.
  XML_ERROR: parameter,
  PARAM_IS_NOT_UTF8: parameter,
  LACK_PARAMS: caller('A parameter is missing: the message names it.', '缺少参数，请按提示对照接口文档检查。'),
  PARAM_ERROR: parameter,
  PARAM_IS_NOT_ENOUGH: parameter,
  POST_DATA_EMPTY: parameter,
  NOT_UTF8: parameter,
  REQUIRE_POST_METHOD: parameter,
  XML_FORMAT_ERROR: parameter,
  OPENID_ERROR: caller('The openid does not belong to this appId.', 'openid 与 appId 不匹配。'),
  NAME_MISMATCH: caller('The real name does not match the receiver: check it with them.', '收款人真实姓名不匹配，请核实。', 400),
  MONEY_LIMIT: caller('The amount is outside the limits of this product.', '金额超出该产品限制。', 400),
  AMOUNT_LIMIT: caller('The amount is outside the limits of this product.', '金额超出该产品限制。', 400),
  SENDNUM_LIMIT: caller('This receiver has reached the daily maximum number of payouts.', '该用户当日领取次数已达上限。', 409),
  SEND_NUM_LIMIT: caller('This receiver has reached the daily maximum number of payouts.', '该用户当日领取次数已达上限。', 409),
  RECEIVER_INVALID: caller('The receiver was not added to the merchant\'s list: add it first.', '分账接收方未添加，请先调用添加分账接收方接口。'),

  // Bills (`error_code`).
  20002: caller('There is no bill for that day: there were no transactions, or it is not ready yet (after 10:00 China time of the next day).', '当日无账单：没有交易，或账单尚未生成（次日 10 点后可取）。', 404),
  20007: transient('The bill is not ready yet: try again after 10:00 (China time) of the next day.', '账单生成中，请次日 10 点后再取。'),
  20100: failing,
  NO_BILL_EXIST: caller('There is no bill for that day: there were no transactions, or it is not ready yet (after 10:00 China time of the next day).', '当日无账单：没有交易，或账单尚未生成（次日 10 点后可取）。', 404),
  BILL_CREATING: transient('The bill is not ready yet: try again after 10:00 (China time) of the next day.', '账单生成中，请次日 10 点后再取。'),
  COMPRESSGZIP_ERROR: failing,
  UNCOMPRESSGZIP_ERROR: failing
}

/** By WeChat's message, where the code is not enough: a refused call (`return_code` FAIL) has no code at all. */
const MESSAGES: ReadonlyArray<readonly [RegExp, CodeInfo]> = [
  [/大于可退金额|invalid refund_fee/, caller('The amount exceeds what is left of the order: query its refunds.', '退款金额超过订单可退余额，请先查询已退金额。', 409)],
  [/全额退款/, caller('The order is already fully refunded.', '订单已全额退款，无需再退。', 409)],
  [/^签名错误/, ERR_CODES.SIGNERROR as CodeInfo],
  [/appid and openid not match/i, caller('The openid belongs to another appId: use the one from a login with this appId.', 'openid 属于其他 appId：请使用当前 appId 授权得到的 openid。')],
  [/openid/i, caller('Check the openid: it is missing or does not belong to this appId.', '请检查 openid：缺失或不属于当前 appId。')],
  [/支付权限/, permission],
  [/mch_id/, caller('Check merchant.mchId.', '请检查商户号。')],
  [/appid/i, caller('Check appId, and that it is bound to the merchant.', '请检查 appId 及其与商户号的绑定。')],
  [/No Bill Exist/i, ERR_CODES[20002] as CodeInfo],
  [/证书/, ERR_CODES.CERT_ERROR as CodeInfo]
]

/** Codes with several meanings. */
const GENERIC = new Set(['', 'ERROR', 'INVALID_REQUEST'])

/** Calls in which the merchant pays users. In all other calls, except refunds and sharing, someone pays the merchant. */
const PAYOUT = /^\/mmpaymkttransfers\/|^\/mmpaysptrans\//
const PAYMENT = /^\/pay\/(?:micropay|unifiedorder|orderquery)$|\/pay\/micropay$/

/** The same code, but someone else's fault: whose money or permission is missing depends on who pays. */
const BY_CALL: ReadonlyArray<readonly [RegExp, Readonly<Record<string, CodeInfo>>]> = [
  [PAYMENT, { NOTENOUGH: payerBalanceTooLow, NOT_ENOUGH: payerBalanceTooLow }],
  [PAYOUT, {
    V2_ACCOUNT_SIMPLE_BAN: caller('The receiver has not verified their real name with WeChat Pay, which is required to receive money: ask them to do so.', '收款用户未完成微信支付实名认证，无法收款：请提醒用户先实名。', 409)
  }]
]

/** What a refusal means, by its code, by the call or, if these say little, by its message. */
export function meaningOf (code: string, message: string, path = ''): CodeInfo | undefined {
  return (GENERIC.has(code) ? MESSAGES.find(([words]) => words.test(message))?.[1] : undefined) ??
    BY_CALL.find(([call, codes]) => call.test(path) && codes[code])?.[1][code] ?? ERR_CODES[code]
}
