/** Pay by code comes to one clear end, whatever happens on the way. */
import t from 'tap'
import type { Test } from 'tap'
import { createPay } from '../../../src/pay/pay.ts'
import { systemClock } from '../../../src/clock.ts'
import type { Clock } from '../../../src/clock.ts'
import { testEmulator } from '../../helpers/account.ts'

const ORDER = { outTradeNo: 'M1234567890', description: '咖啡', amount: 1200 }

/** `meanwhile` happens while the client waits before its n-th look. */
async function stage (t: Test, meanwhile: Record<number, (number: string) => unknown> = {}) {
  const emulator = await testEmulator(t)
  const { merchant } = emulator.config
  let now = 0
  let pauses = 0
  const clock: Clock = {
    ...systemClock,
    now: () => now,
    async sleep (ms) {
      now += ms
      await meanwhile[++pauses]?.(ORDER.outTradeNo)
    }
  }
  const pay = createPay({ ...emulator.config, clock, http: { ...emulator.config.http, timeout: 500, retries: 0 }, merchant: { ...merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
  return { emulator, pay, waited: () => now / 1000 }
}

t.test('a code that pays', async t => {
  const { emulator, pay, waited } = await stage(t)
  const authCode = await emulator.authCode('pays', 'oUpF8uN95-Ptaags6E_roPHg7AG0')
  t.equal(await pay.v2.openidOf(authCode), 'oUpF8uN95-Ptaags6E_roPHg7AG0')
  const both = await Promise.all([pay.micropay({ ...ORDER, authCode }), pay.micropay({ ...ORDER, authCode })])
  t.match(both[0], { state: 'SUCCESS', amount: 1200, openid: 'oUpF8uN95-Ptaags6E_roPHg7AG0', tradeType: 'MICROPAY', transactionId: /^42000/ })
  t.equal(both[0], both[1], 'a double press is one payment')
  t.equal(waited(), 0)
  await t.rejects(pay.micropay({ ...ORDER, authCode }), { code: 'WECHAT_API', wechatCode: 'ORDERPAID' })
  await t.rejects(pay.micropay({ ...ORDER, outTradeNo: 'M2', authCode }), { code: 'WECHAT_API', wechatCode: 'AUTH_CODE_INVALID', statusCode: 400, advice: /refresh/ })
})

t.test('a payer who types the password, in time', async t => {
  const { emulator, pay, waited } = await stage(t, { 2: number => emulator.pay(number) })
  const payment = await pay.micropay({ ...ORDER, authCode: await emulator.authCode('asks') })
  t.match(payment, { state: 'SUCCESS', amount: 1200 })
  t.equal(waited(), 10)
})

t.test('a payer who says no', async t => {
  const { emulator, pay } = await stage(t, { 1: number => emulator.cancel(number) })
  t.match(await pay.micropay({ ...ORDER, authCode: await emulator.authCode('asks') }), { state: 'PAYERROR', outTradeNo: ORDER.outTradeNo })
})

t.test('a payer who never answers: reversed after half a minute, and a later attempt to pay fails', async t => {
  const { emulator, pay, waited } = await stage(t)
  t.match(await pay.micropay({ ...ORDER, authCode: await emulator.authCode('asks') }), { state: 'REVOKED', outTradeNo: ORDER.outTradeNo, mchId: emulator.account.mchId })
  t.equal(waited(), 30)
  t.match(emulator.order(ORDER.outTradeNo), { trade_state: 'REVOKED' })
  await t.rejects(emulator.pay(ORDER.outTradeNo))
  t.match(await pay.query({ outTradeNo: ORDER.outTradeNo }), { state: 'REVOKED' })
  await t.rejects(pay.micropay({ ...ORDER, authCode: await emulator.authCode() }), { code: 'WECHAT_API', wechatCode: 'ORDERREVERSED' })
})

t.test('P9 the answer is lost, but the money moved: the query finds it', async t => {
  for (const kind of ['reset', 'hang', 'html', '502', 'garbage']) {
    const { emulator, pay } = await stage(t)
    await emulator.fault({ path: '/pay/micropay', kind, when: 'after' })
    t.match(await pay.micropay({ ...ORDER, authCode: await emulator.authCode() }), { state: 'SUCCESS', amount: 1200 }, kind)
  }
})

t.test('P9 WeChat says SYSTEMERROR, or never hears of it: no money, one end', async t => {
  for (const kind of ['SYSTEMERROR', 'reset']) {
    const { emulator, pay } = await stage(t)
    await emulator.fault({ path: '/pay/micropay', kind })
    t.match(await pay.micropay({ ...ORDER, authCode: await emulator.authCode() }), { state: 'NOTPAY', outTradeNo: ORDER.outTradeNo }, kind)
    t.notOk(emulator.order(ORDER.outTradeNo))
  }
})

t.test('a reversal that WeChat asks to repeat is repeated; one that cannot be made is an error with an unknown outcome', async t => {
  const { emulator, pay } = await stage(t)
  await emulator.fault({ path: '/secapi/pay/reverse', kind: 'SYSTEMERROR', times: 3 })
  t.match(await pay.micropay({ ...ORDER, authCode: await emulator.authCode('asks') }), { state: 'REVOKED' })
  await emulator.fault({ path: '/secapi/pay/reverse', kind: '502', times: 99 })
  await t.rejects(pay.micropay({ ...ORDER, outTradeNo: 'M2', authCode: await emulator.authCode('asks') }), { code: 'WECHAT_NETWORK', outcome: 'unknown' })
  await emulator.clearFaults()
  await emulator.fault({ path: '/secapi/pay/reverse', kind: 'USERPAYING', times: 99 })
  await t.rejects(pay.micropay({ ...ORDER, outTradeNo: 'M3', authCode: await emulator.authCode('asks') }), { code: 'WECHAT_REPLY', outcome: 'unknown', message: /neither paid nor reversed \(USERPAYING\)/ })
})

t.test('a paid order that is reversed gives the money back', async t => {
  const { emulator, pay } = await stage(t)
  await pay.micropay({ ...ORDER, authCode: await emulator.authCode() })
  t.match(await pay.v2.post('/secapi/pay/reverse', { out_trade_no: ORDER.outTradeNo }), { recall: 'N' })
  t.match(await pay.query({ outTradeNo: ORDER.outTradeNo }), { state: 'REVOKED' })
  await t.rejects(pay.close(ORDER.outTradeNo), { code: 'WECHAT_API', wechatCode: 'INVALID_REQUEST' }, 'such an order is not closed')
  emulator.advance(8 * 86_400_000)
  await pay.micropay({ ...ORDER, outTradeNo: 'M2', authCode: await emulator.authCode() })
  emulator.advance(8 * 86_400_000)
  await t.rejects(pay.v2.post('/secapi/pay/reverse', { out_trade_no: 'M2' }), { code: 'WECHAT_API', wechatCode: 'REVERSE_EXPIRE' })
})

t.test('refused, and without a certificate not begun', async t => {
  const { emulator, pay } = await stage(t)
  await t.rejects(pay.micropay({ ...ORDER, authCode: await emulator.authCode('poor') }), { code: 'WECHAT_API', wechatCode: 'NOTENOUGH' })
  await t.rejects(pay.micropay({ ...ORDER, authCode: await emulator.authCode('expired') }), { code: 'WECHAT_API', wechatCode: 'AUTH_CODE_INVALID' })
  const { cert: _cert, key: _key, ...v2 } = emulator.config.merchant.v2
  const bare = createPay({ ...emulator.config, merchant: { mchId: emulator.account.mchId, notifyUrl: 'http://127.0.0.1:1/n', v2 } })
  await t.rejects(bare.micropay({ ...ORDER, authCode: await emulator.authCode() }), { code: 'WECHAT_CONFIG', option: 'merchant.v2.pfx' })
  t.notOk(emulator.order(ORDER.outTradeNo))
  await pay.jsapi({ ...ORDER, openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' })
  await t.rejects(pay.v2.post('/secapi/pay/reverse', { out_trade_no: ORDER.outTradeNo }), { code: 'WECHAT_API', wechatCode: 'TRADE_ERROR' })
  await t.rejects(pay.micropay({ ...ORDER, authCode: await emulator.authCode() }), { code: 'WECHAT_API', wechatCode: 'OUT_TRADE_NO_USED' })
})

t.test('the official sandbox: another key and other paths', async t => {
  const { emulator } = await stage(t)
  const { merchant } = emulator.config
  const make = (apiKey = merchant.v2.apiKey) => createPay({ ...emulator.config, merchant: { ...merchant, notifyUrl: 'http://127.0.0.1:1/n', v2: { ...merchant.v2, apiKey, sandbox: true } } })
  const sandbox = make()
  t.match(await sandbox.micropay({ ...ORDER, amount: 1, authCode: await emulator.authCode() }), { state: 'SUCCESS', amount: 1 })
  t.match(await sandbox.query({ outTradeNo: ORDER.outTradeNo }), { state: 'SUCCESS', amount: 1 })
  await t.rejects(sandbox.micropay({ ...ORDER, outTradeNo: 'M2', authCode: await emulator.authCode() }), { code: 'WECHAT_API', message: /沙箱支付金额/ })
  const wrong = make('emulatorZZZZZZZZZZZZZZZZZZZZZZZZ')
  await t.rejects(wrong.query({ outTradeNo: ORDER.outTradeNo }), { code: 'WECHAT_REPLY', message: /sandbox_signkey/ })
  await emulator.fault({ path: '/xdc/apiv2getsignkey', kind: 'garbage' })
  const late = make()
  await t.rejects(late.query({ outTradeNo: ORDER.outTradeNo }), { code: 'WECHAT_REPLY' })
  t.match(await late.query({ outTradeNo: ORDER.outTradeNo }), { state: 'SUCCESS' }, 'asked for again after a failure')
})
