/** A code's meaning depends on the call. Each row names its source: WeChat's documentation or public reports. */
import t from 'tap'
import { errorCode } from '../../src/official-account/error-codes.ts'
import { createPay } from '../../src/pay/pay.ts'
import { meaningOf } from '../../src/pay/v2/error-codes.ts'
import { writeXml } from '../../src/pay/v2/write-xml.ts'
import { meaningOfV3 } from '../../src/pay/v3/error-codes.ts'
import { ACCOUNT } from '../helpers/account.ts'
import { fakeServer } from '../helpers/fake-server.ts'
import { answering, v3Options } from '../helpers/v3-server.ts'

const REDPACK = '/mmpaymkttransfers/sendredpack'
const TRANSFER = '/mmpaymkttransfers/promotion/transfers'

/** WeChat's error code pages, by the names that public code uses for them. */
const PAGES = {
  order: 'pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=9_1 (NOTENOUGH: 用户帐号余额不足)',
  micropay: 'pay.weixin.qq.com/wiki/doc/api/micropay.php?chapter=9_10 (NOTENOUGH: 用户的零钱余额不足, 请用户更换当前支付的卡)',
  refund: 'pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=9_4 (INVALID_REQ_TOO_MUCH: 请在1分钟后再来重试; NOTENOUGH: 商户可用退款余额不足)',
  redpack: 'pay.weixin.qq.com/wiki/doc/api/tools/cash_coupon.php?chapter=13_4 (SENDAMOUNT_LIMIT, RCVDAMOUNT_LIMIT, FATAL_ERROR, SEND_FAILED)',
  transfer: 'pay.weixin.qq.com/wiki/doc/api/tools/mch_pay.php?chapter=14_2 (V2_ACCOUNT_SIMPLE_BAN: 无法给未实名用户付款; RECV_ACCOUNT_NOT_ALLOWED; PARAM_IS_NOT_UTF8; XML_ERROR)',
  sharing: 'pay.weixin.qq.com/wiki/doc/api/allocation.php?chapter=27_1 (NOT_SHARE_ORDER: 非分账订单不支持分账; AMOUNT_OVERDUE)',
  global: 'developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html',
  token: 'developers.weixin.qq.com/doc/offiaccount/Basic_Information/Get_access_token.html (89501, 89503, 89506, 89507, 40243)',
  shop: 'developers.weixin.qq.com/doc/store/API/basics/commErrCode.html (61004: not in ip-white-list)',
  open: 'witnesses, "Open Platform": 61004「access clientip is not registered requestIP: …」',
  v3: 'witnesses, "v3 on the wire": refund, 403 NOT_ENOUGH「基本账户余额不足，请充值后重新发起」'
}

interface Row { code: string, path?: string, en: RegExp, zh: RegExp, more?: object, source: string }

t.test('v2', t => {
  const rows: Row[] = [
    { code: 'NOTENOUGH', path: '/pay/micropay', en: /payer/, zh: /用户/, more: { statusCode: 400 }, source: PAGES.micropay },
    { code: 'NOTENOUGH', path: '/pay/unifiedorder', en: /payer/, zh: /用户/, source: PAGES.order },
    { code: 'NOTENOUGH', path: '/secapi/pay/refund', en: /merchant.*top it up/, zh: /充值/, source: PAGES.refund },
    { code: 'NOTENOUGH', path: REDPACK, en: /merchant.*top it up/, zh: /充值/, source: PAGES.redpack },
    { code: 'NOTENOUGH', path: TRANSFER, en: /merchant.*top it up/, zh: /充值/, source: PAGES.transfer },
    { code: 'V2_ACCOUNT_SIMPLE_BAN', path: TRANSFER, en: /receiver.*real name/, zh: /收款用户.*实名/, source: PAGES.transfer },
    { code: 'V2_ACCOUNT_SIMPLE_BAN', path: '/pay/micropay', en: /payer/, zh: /付款用户/, source: PAGES.micropay },
    { code: 'SEND_FAILED', path: REDPACK, en: /^Query it first/, zh: /先查询/, more: { retryable: undefined }, source: PAGES.redpack },
    { code: 'INVALID_REQ_TOO_MUCH', path: '/secapi/pay/refund', en: /minute.*same number/, zh: /一分钟/, more: { retryable: true, statusCode: 503 }, source: PAGES.refund },
    { code: 'NOT_FOUND', path: TRANSFER, en: /no such/, zh: /查无/, more: { statusCode: 404 }, source: PAGES.transfer },
    { code: 'NOT_SHARE_ORDER', en: /profitSharing/, zh: /分账/, source: PAGES.sharing },
    { code: 'AMOUNT_OVERDUE', en: /left to share/, zh: /待分金额/, source: PAGES.sharing },
    { code: 'SENDAMOUNT_LIMIT', path: REDPACK, en: /merchant has reached/, zh: /商户今日/, source: PAGES.redpack },
    { code: 'RCVDAMOUNT_LIMIT', path: REDPACK, en: /receiver/, zh: /该用户/, source: PAGES.redpack },
    { code: 'FATAL_ERROR', path: TRANSFER, en: /other parameters/, zh: /不同参数/, source: PAGES.transfer },
    { code: 'XML_ERROR', path: TRANSFER, en: /parameter/, zh: /参数/, source: PAGES.transfer },
    { code: 'PARAM_IS_NOT_UTF8', path: TRANSFER, en: /parameter/, zh: /参数/, source: PAGES.transfer },
    { code: 'RECV_ACCOUNT_NOT_ALLOWED', path: TRANSFER, en: /list/, zh: /列表/, source: PAGES.transfer }
  ]
  for (const { code, path, en, zh, more, source } of rows) t.match(meaningOf(code, '', path), { advice: en, adviceZh: zh, ...more }, `${path ?? ''} ${code}: ${source}`)
  t.end()
})

t.test('v3', t => {
  const rows: Row[] = [
    { code: 'NOT_ENOUGH', path: '/v3/pay/transactions/codepay', en: /payer/, zh: /用户/, source: PAGES.micropay },
    { code: 'NOTENOUGH', path: '/v3/pay/partner/transactions/codepay', en: /payer/, zh: /用户/, source: PAGES.micropay },
    { code: 'NOT_ENOUGH', path: '/v3/refund/domestic/refunds', en: /merchant.*top it up/, zh: /充值/, source: PAGES.v3 },
    { code: 'NOT_ENOUGH', path: '/v3/fund-app/mch-transfer/transfer-bills', en: /merchant.*top it up/, zh: /充值/, source: PAGES.v3 }
  ]
  for (const { code, path, en, zh, source } of rows) t.match(meaningOfV3(code, undefined, path), { advice: en, adviceZh: zh }, `${path} ${code}: ${source}`)
  // v2 spellings seen in v3 answers.
  for (const code of ['ORDERCLOSED', 'ORDERNOTEXIST', 'ORDERREVERSED', 'REFUNDNOTEXIST', 'SIGNERROR', 'BANKERROR', 'ACCOUNTERROR', 'NOAUTH', 'MCHID_NOT_EXIST', 'APPID_NOT_EXIST', 'AUTHCODEEXPIRE', 'AUTH_CODE_INVALID', 'INVALID_REQ_TOO_MUCH', 'RATELIMIT_EXCEEDED']) {
    t.match(meaningOfV3(code, undefined), { advice: /^[A-Z].*[.?]$/, adviceZh: /。$/ }, code)
  }
  t.end()
})

t.test('Official Account', t => {
  const rows: Row[] = [
    { code: '40001', path: '/cgi-bin/token', en: /Check appSecret/, zh: /appSecret/, source: PAGES.global },
    { code: '40001', path: '/cgi-bin/stable_token', en: /Check appSecret/, zh: /appSecret/, source: PAGES.global },
    { code: '40001', path: '/cgi-bin/menu/get', en: /stable_token everywhere/, zh: /stable_token/, source: PAGES.global },
    { code: '89501', en: /administrator.*confirm/, zh: /管理员/, source: PAGES.token },
    { code: '89503', en: /administrator.*confirm/, zh: /管理员/, source: PAGES.token },
    { code: '89506', en: /refused.*hour/, zh: /拒绝/, source: PAGES.token },
    { code: '89507', en: /refused.*hour/, zh: /拒绝/, source: PAGES.token },
    { code: '40243', en: /frozen/, zh: /冻结/, source: PAGES.token },
    { code: '61004', en: /whitelist/, zh: /白名单/, source: PAGES.shop },
    { code: '50002', en: /restricted/, zh: /受限/, source: PAGES.global },
    { code: '40002', en: /grant_type/, zh: /grant_type/, source: PAGES.global },
    { code: '40003', en: /openid/, zh: /openid/, source: PAGES.global },
    { code: '40097', en: /argument/, zh: /参数/, source: PAGES.global },
    { code: '41002', en: /appid/, zh: /appid/, source: PAGES.global },
    { code: '41004', en: /secret/, zh: /secret/, source: PAGES.global },
    { code: '42002', en: /30 days/, zh: /30 天/, more: { statusCode: 403 }, source: PAGES.global },
    { code: '42007', en: /password/, zh: /密码/, more: { statusCode: 403 }, source: PAGES.global },
    { code: '43002', en: /POST/, zh: /POST/, source: PAGES.global },
    { code: '47001', en: /JSON/, zh: /JSON/, source: PAGES.global },
    { code: '48004', en: /blocked this call/, zh: /封禁/, source: PAGES.global }
  ]
  for (const { code, path, en, zh, more, source } of rows) {
    t.match(errorCode(code, '', path), { fault: 'caller', advice: en, adviceZh: zh, ...more }, `${path ?? ''} ${code}: ${source}`)
    t.match(errorCode(code, '', path)?.advice, /^[A-Z].*[.?]$/)
    t.match(errorCode(code, '', path)?.adviceZh, /。$/)
  }
  t.match(errorCode('61004', 'access clientip is not registered requestIP: 203.0.113.7 rid: 1'), { advice: /^Add 203\.0\.113\.7 to /, adviceZh: /203\.0\.113\.7/ }, PAGES.open)
  t.end()
})

t.test('advice depends on the call, and is not retryable while WeChat blocks the caller', async t => {
  const server = await fakeServer((seen, reply) => {
    reply.end(writeXml({ return_code: 'FAIL', error_code: seen.body.includes('auth_code') ? 'NOTENOUGH' : 'INVALID_REQ_TOO_MUCH', return_msg: 'x' }))
  })
  t.teardown(server.close)
  const v2 = createPay({ ...ACCOUNT, endpoints: server.endpoints })
  await t.rejects(v2.v2.post('/pay/micropay', { auth_code: '1' }), { code: 'WECHAT_API', wechatCode: 'NOTENOUGH', advice: /payer/ })
  server.seen.length = 0
  await t.rejects(v2.v2.post('/secapi/pay/refund', { out_refund_no: '1' }, { cert: false, repeatable: true }), { code: 'WECHAT_API', wechatCode: 'INVALID_REQ_TOO_MUCH', retryable: true, statusCode: 503 })
  t.equal(server.seen.length, 1)
  server.become(answering(403, { code: 'INVALID_REQ_TOO_MUCH', message: 'x' }))
  const v3 = createPay({ ...v3Options, endpoints: server.endpoints })
  await t.rejects(v3.v3.request('POST', '/v3/refund/domestic/refunds', { body: {}, repeatable: true }), { code: 'WECHAT_API', wechatCode: 'INVALID_REQ_TOO_MUCH' })
  t.equal(server.seen.length, 2)
})
