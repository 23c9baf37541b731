/** What the `err_code`s of v2 mean for a caller: WeChat Pay v2 documentation, and replies seen in public. */
import type { CodeInfo } from '../../errors.ts'

const reused = {
  fault: 'caller',
  statusCode: 409,
  advice: 'The order number was placed before with other parameters (amount, description, trade type, openid). Use the same parameters, or a new order.',
  adviceZh: '该商户订单号此前以不同参数下过单（金额、描述、交易类型或 openid）。请用原参数重试，或为新订单使用新单号。'
} satisfies CodeInfo

export const ERR_CODES: Readonly<Record<string, CodeInfo>> = {
  SYSTEMERROR: { fault: 'wechat', retryable: true, advice: 'WeChat failed: repeat with the SAME parameters and number, or query.', adviceZh: '微信系统异常，请用原单号原参数重试或先查单。' },
  BANKERROR: { fault: 'wechat', retryable: true, advice: 'The bank failed: query the order before anything else.', adviceZh: '银行系统异常，请先查单确认结果。' },
  ORDERPAID: { fault: 'caller', statusCode: 409, advice: 'The order is paid: query it and deliver.', adviceZh: '订单已支付，请查单后发货，不要重复下单。' },
  ORDERCLOSED: { fault: 'caller', statusCode: 409, advice: 'The order is closed: place a new one under a new number.', adviceZh: '订单已关闭，请使用新单号重新下单。' },
  ORDERNOTEXIST: { fault: 'caller', statusCode: 404, advice: 'WeChat has no such order: was it placed, by this merchant, and over an hour or so ago?', adviceZh: '查无此单：请确认该单已由本商户号成功下单。' },
  INVALID_REQUEST: reused,
  OUT_TRADE_NO_USED: reused,
  NOTENOUGH: { fault: 'caller', advice: 'The balance is too low.', adviceZh: '余额不足，请充值后重试。' },
  APPID_NOT_EXIST: { fault: 'caller', advice: 'Check appId.', adviceZh: '请检查 appId。' },
  MCHID_NOT_EXIST: { fault: 'caller', advice: 'Check merchant.mchId.', adviceZh: '请检查商户号。' },
  APPID_MCHID_NOT_MATCH: { fault: 'caller', advice: 'Bind the appId to the merchant in WeChat Pay\'s console (Product centre, AppID).', adviceZh: '请在商户平台「产品中心 - AppID 账号管理」绑定 appId。' },
  NO_AUTH: { fault: 'caller', advice: 'The merchant lacks the permission: apply for the product in WeChat Pay\'s console.', adviceZh: '商户无此接口权限，请在商户平台开通对应产品。' },
  NOAUTH: { fault: 'caller', advice: 'The merchant lacks the permission: apply for the product in WeChat Pay\'s console.', adviceZh: '商户无此接口权限，请在商户平台开通对应产品。' },
  SIGNERROR: { fault: 'caller', advice: 'Check merchant.v2.apiKey and signType.', adviceZh: '请检查 API 密钥与签名类型。' },
  LACK_PARAMS: { fault: 'caller', advice: 'A parameter is missing.', adviceZh: '缺少参数，请对照接口文档。' },
  PARAM_ERROR: { fault: 'caller', advice: 'A parameter is wrong.', adviceZh: '参数错误，请对照接口文档。' },
  FREQUENCY_LIMITED: { fault: 'caller', statusCode: 503, retryable: true, advice: 'Too many calls: slow down, then repeat with the same number.', adviceZh: '调用过于频繁，请降低频率后用原单号重试。' }
}
