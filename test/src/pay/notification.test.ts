import fc from 'fast-check'
import t from 'tap'
import { checkMerchant } from '../../../src/pay/merchant.ts'
import type { Merchant } from '../../../src/pay/merchant.ts'
import { readV2Notification, v2Answer } from '../../../src/pay/v2/notification.ts'
import { signV2 } from '../../../src/pay/v2/sign.ts'
import { apiKey, appId, merchant, payment, signed, xml } from '../../helpers/notification.ts'

const checked = checkMerchant(merchant, 'https://api.mch.weixin.qq.com').v2!
const read = (document: string, whose = checked) => readV2Notification(Buffer.from(document), appId, whose)

t.test('a genuine payment is typed', async t => {
  const notification = read(signed(payment()))
  t.match(notification, {
    kind: 'payment',
    payment: {
      outTradeNo: 'S1234567890', transactionId: '4200000000202611231234567890', state: 'SUCCESS', amount: 100, payerAmount: 90, currency: 'CNY', appId, mchId: merchant.mchId, attach: 'a=1&b=2', paidAt: new Date('2026-11-23T18:20:00+08:00')
    }
  })
  t.equal(notification.raw.transaction_id, '4200000000202611231234567890')
  t.match(v2Answer('SUCCESS'), /^<xml><return_code><!\[CDATA\[SUCCESS\]\]><\/return_code>/)
  t.match(v2Answer('FAIL'), /FAIL/)
})

t.test('unusual genuine ones are accepted', async t => {
  const odd: Array<Record<string, string | undefined>> = [
    { attach: undefined }, { attach: '' }, { attach: ']]>' }, { attach: ' blanks ' }, { attach: '007' }, { attach: '1e5' }, { attach: '☕️<b>&amp;' },
    { device_info: 'WEB', settlement_total_fee: '90', coupon_fee: '10', coupon_count: '1', coupon_type_0: 'CASH', coupon_id_0: '10000', coupon_fee_0: '10' },
    { sign_type: 'MD5' }, { a_field_of_tomorrow: '咖啡' }, { cash_fee: undefined }, { fee_type: undefined }
  ]
  for (const change of odd) t.match(read(signed(payment(change))), { kind: 'payment', payment: { attach: change.attach ?? ('attach' in change ? '' : 'a=1&b=2'), amount: 100, currency: 'CNY' } }, JSON.stringify(change))
})

t.test('a failed payment is genuine but not a payment', async t => {
  t.match(read(signed(payment({ result_code: 'FAIL', err_code: 'SYSTEMERROR', transaction_id: undefined }))), { kind: 'failure' })
})

t.test('anything unverified is refused', async t => {
  const refused: Array<[string, string, number]> = [
    ['forged', signed(payment(), 'x'.repeat(31) + 'y'), 401],
    ['unsigned', xml(payment()), 401],
    ['an empty signature', xml({ ...payment(), sign: '' }), 401],
    ['an altered amount', xml({ ...payment(), total_fee: '1', sign: signV2(payment(), apiKey, 'MD5') }), 401],
    ['the other algorithm', signed(payment(), apiKey, 'HMAC-SHA256'), 401],
    ['the other algorithm, named in sign_type', signed(payment({ sign_type: 'HMAC-SHA256' }), apiKey, 'HMAC-SHA256'), 401],
    ['another merchant', signed(payment({ mch_id: '1900000110' })), 403],
    ['another account', signed(payment({ appid: 'wx9999999999999999' })), 403],
    ['no appid', signed(payment({ appid: undefined })), 403],
    ['no return_code', signed(payment({ return_code: undefined })), 400],
    ['return_code FAIL', signed(payment({ return_code: 'FAIL' })), 400],
    ['no result_code', signed(payment({ result_code: undefined })), 400],
    ['no transaction', signed(payment({ transaction_id: undefined })), 400],
    ['no time', signed(payment({ time_end: undefined })), 400],
    ['a date that does not exist', signed(payment({ time_end: '20260431000000' })), 400],
    ['a fraction', signed(payment({ total_fee: '1.5' })), 400],
    ['a negative amount', signed(payment({ total_fee: '-1' })), 400],
    ['an exponent', signed(payment({ total_fee: '1e2' })), 400],
    ['N22 an amount with a leading zero', signed(payment({ total_fee: '0100' })), 400],
    ['N22 another amount with a leading zero', signed(payment({ cash_fee: '090' })), 400],
    ['a huge amount', signed(payment({ total_fee: '99999999999' })), 400],
    ['a malformed order number', signed(payment({ out_trade_no: '../x' })), 400],
    ['an ampersand outside attach', signed(payment({ extra: 'x&total_fee=1' })), 400],
    ['not XML', 'hello', 400]
  ]
  for (const [name, document, statusCode] of refused) t.throws(() => read(document), { code: 'WECHAT_NOTIFICATION', statusCode }, name)
})

t.test('the signed text cannot be split into different fields', async t => {
  // An attacker who controls attach can put a second notification into it.
  const attach = 'x&b=1&bank_type=CFT&cash_fee=99999&fee_type=CNY&out_trade_no=OTHER12345&total_fee=99999&transaction_id=4200000000202611230000000000&zzz=y'
  const genuine = payment({ attach })
  const sign = signV2(genuine, apiKey, 'MD5')
  const text = Object.keys(genuine).sort().map(name => `${name}=${genuine[name]}`).join('&')
  const pieces = text.split('&')
  let accepted = 0
  // All ways to join neighbouring parts, one run at a time, and all parts separate.
  for (let from = 0; from < pieces.length; from++) {
    for (let to = from; to < pieces.length; to++) {
      const cut = [...pieces.slice(0, from), pieces.slice(from, to + 1).join('&'), ...pieces.slice(to + 1)]
      const fields = Object.fromEntries(cut.map(piece => [piece.slice(0, piece.indexOf('=')), piece.slice(piece.indexOf('=') + 1)]))
      if (Object.keys(fields).length !== cut.length) continue
      try {
        const { raw } = read(xml({ ...fields, sign }))
        t.same({ ...raw, sign: undefined }, { ...genuine, sign: undefined })
        accepted++
      } catch (error) {
        t.match(error, { code: 'WECHAT_NOTIFICATION' })
      }
    }
  }
  t.ok(accepted <= 1)
  t.match(read(xml({ ...genuine, sign })), { kind: 'payment', payment: { outTradeNo: 'S1234567890', amount: 100, attach } })
})

t.test('changing any byte is refused, or does not change the result', async t => {
  const document = Buffer.from(signed(payment()))
  const original = { ...read(document.toString()).raw }
  fc.assert(fc.property(fc.nat(document.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
    const altered = Buffer.from(document)
    altered[at] = (altered[at] as number) ^ flip
    try {
      const { raw } = readV2Notification(altered, appId, checked)
      t.same({ ...raw }, original)
    } catch (error) {
      t.match(error, { code: 'WECHAT_NOTIFICATION' })
    }
  }), { numRuns: 500 })
})

t.test('P17 merchant options', async t => {
  const wrong: Array<[string, unknown]> = [
    ['merchant', undefined],
    ['merchant.mchId', { ...merchant, mchId: '' }],
    ['merchant.mchId', { ...merchant, mchId: 'abc' }],
    ['merchant.v3', { ...merchant, v2: undefined }],
    ['merchant.v2.apiKey', { ...merchant, v2: { apiKey: '' } }],
    ['merchant.v2.apiKey', { ...merchant, v2: { apiKey: 'canary-too-short' } }],
    ['merchant.v2.apiKey', { ...merchant, v2: { apiKey: 'emulator012345678901234567890123' } }],
    ['merchant.v2.signType', { ...merchant, v2: { apiKey, signType: 'SHA1' } }],
    ['merchant.notifyUrl', { ...merchant, notifyUrl: '/wechat/notify' }],
    ['merchant.notifyUrl', { ...merchant, notifyUrl: 'https://shop.test/notify?x=1' }]
  ]
  for (const [option, value] of wrong) {
    t.throws(() => checkMerchant(value as Merchant, 'https://api.mch.weixin.qq.com'), { code: 'WECHAT_CONFIG', option, message: /^(?!.*canary)/ }, option)
  }
})
