/** Pay by code always ends with a definite result. */
import t from 'tap'
import type { Test } from 'tap'
import { createPay } from '../../../src/pay/pay.ts'
import { systemClock } from '../../../src/clock.ts'
import type { Clock } from '../../../src/clock.ts'
import { patience } from '../../helpers/patience.ts'
import { testEmulator } from '../../helpers/account.ts'

const ORDER = { outTradeNo: 'M1234567890', description: '咖啡', amount: 1200 }

const SUB = { subMchId: '1900000110' }

/** The versions, their calls, and their error codes. */
const WAYS = {
  v2: { version: 'v2', sub: {}, pay: '/pay/micropay', reverse: (_number: string) => '/secapi/pay/reverse', failure: 'SYSTEMERROR', old: 'AUTH_CODE_INVALID', poor: 'NOTENOUGH', used: 'OUT_TRADE_NO_USED', reversed: 'ORDERREVERSED' },
  v3: { version: 'v3', sub: {}, pay: '/v3/pay/transactions/codepay', reverse: (number: string) => `/v3/pay/transactions/out-trade-no/${number}/reverse`, failure: 'SYSTEM_ERROR', old: 'AUTH_CODE_INVALID', poor: 'NOT_ENOUGH', used: 'INVALID_REQUEST', reversed: 'ORDER_REVERSED' },
  'v3 for a sub-merchant': { version: 'v3', sub: SUB, pay: '/v3/pay/partner/transactions/codepay', reverse: (number: string) => `/v3/pay/partner/transactions/out-trade-no/${number}/reverse`, failure: 'SYSTEM_ERROR', old: 'AUTH_CODE_INVALID', poor: 'NOT_ENOUGH', used: 'INVALID_REQUEST', reversed: 'ORDER_REVERSED' }
} as const
type Way = keyof typeof WAYS

/** `meanwhile` runs while the client waits before its n-th query. */
async function stage (t: Test, way: Way = 'v2', meanwhile: Record<number, (number: string) => unknown> = {}, timeout = 20_000) {
  const emulator = await testEmulator(t, { subMerchants: [SUB] })
  const { version, sub } = WAYS[way]
  const { merchant } = emulator.bothConfig
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
  const pay = createPay({ ...emulator.bothConfig, version, clock, http: { ...emulator.config.http, timeout, retries: 0 }, merchant: { ...merchant, ...sub, notifyUrl: 'http://127.0.0.1:1/n' } })
  return { emulator, pay, waited: () => now / 1000, pays: (number: string) => emulator.pay(number, sub), order: async (number: string) => ((await emulator.app.inject('/_emulator/orders')).json() as Array<{ out_trade_no: string }>).find(order => order.out_trade_no === number) }
}

// At the same time: most of them wait for an answer.
t.test('pay by code', { jobs: 4 }, async t => {
  for (const [way, { pay: PAY, reverse: REVERSE, failure, old, poor, used, reversed }] of Object.entries(WAYS) as Array<[Way, typeof WAYS[Way]]>) {
    t.test(way, { jobs: 8 }, async t => {
      t.test('a code that pays', async t => {
        const { emulator, pay, waited } = await stage(t, way)
        const authCode = await emulator.authCode('pays', 'oUpF8uN95-Ptaags6E_roPHg7AG0')
        const both = await Promise.all([pay.micropay({ ...ORDER, authCode }), pay.micropay({ ...ORDER, authCode })])
        t.match(both[0], { state: 'SUCCESS', amount: 1200, openid: 'oUpF8uN95-Ptaags6E_roPHg7AG0', tradeType: 'MICROPAY', transactionId: /^42000/, mchId: emulator.account.mchId, ...WAYS[way].sub })
        t.equal(both[0], both[1], 'a double click is one payment')
        t.equal(waited(), 0)
        await t.rejects(pay.micropay({ ...ORDER, authCode }), { code: 'WECHAT_API', wechatCode: 'ORDERPAID' })
        await t.rejects(pay.micropay({ ...ORDER, outTradeNo: 'M234567', authCode }), { code: 'WECHAT_API', wechatCode: old, statusCode: 400, advice: /refresh/ })
      })

      t.test('the payer enters the password in time', async t => {
        const { emulator, pay, waited, pays } = await stage(t, way, { 2: number => pays(number) })
        const payment = await pay.micropay({ ...ORDER, authCode: await emulator.authCode('asks') })
        t.match(payment, { state: 'SUCCESS', amount: 1200 })
        t.equal(waited(), 10)
      })

      t.test('the payer declines', async t => {
        const { emulator, pay } = await stage(t, way, { 1: number => emulator.cancel(number, WAYS[way].sub) })
        t.match(await pay.micropay({ ...ORDER, authCode: await emulator.authCode('asks') }), { state: 'PAYERROR', outTradeNo: ORDER.outTradeNo })
      })

      t.test('the payer never responds: reversed after 30 s, and later attempts to pay fail', async t => {
        const { emulator, pay, waited, pays, order } = await stage(t, way)
        t.match(await pay.micropay({ ...ORDER, authCode: await emulator.authCode('asks') }), { state: 'REVOKED', outTradeNo: ORDER.outTradeNo, mchId: emulator.account.mchId })
        t.equal(waited(), 30)
        t.match(await order(ORDER.outTradeNo), { trade_state: 'REVOKED' })
        await t.rejects(pays(ORDER.outTradeNo))
        t.match(await pay.query({ outTradeNo: ORDER.outTradeNo }), { state: 'REVOKED' })
        await t.rejects(pay.micropay({ ...ORDER, authCode: await emulator.authCode() }), { code: 'WECHAT_API', wechatCode: reversed })
      })

      t.test('P9 the answer is lost after the payment: the query finds it', async t => {
        for (const kind of ['reset', 'hang', 'html', '502', 'garbage']) {
          const { emulator, pay } = await stage(t, way, {}, kind === 'hang' ? patience(3000) : undefined)
          await emulator.fault({ path: PAY, kind, when: 'after' })
          t.match(await pay.micropay({ ...ORDER, authCode: await emulator.authCode() }), { state: 'SUCCESS', amount: 1200 }, kind)
        }
      })

      t.test('P9 WeChat fails or never receives the call: no payment, a definite result', async t => {
        for (const kind of [failure, 'reset']) {
          const { emulator, pay, order } = await stage(t, way)
          await emulator.fault({ path: PAY, kind })
          t.match(await pay.micropay({ ...ORDER, authCode: await emulator.authCode() }), { state: 'NOTPAY', outTradeNo: ORDER.outTradeNo }, kind)
          t.notOk(await order(ORDER.outTradeNo))
        }
      })

      t.test('a reversal is repeated if WeChat asks for it; if it fails, the error has an unknown outcome', async t => {
        const { emulator, pay } = await stage(t, way)
        await emulator.fault({ path: REVERSE(ORDER.outTradeNo), kind: failure, times: 3 })
        t.match(await pay.micropay({ ...ORDER, authCode: await emulator.authCode('asks') }), { state: 'REVOKED' })
        await emulator.fault({ path: REVERSE('M234567'), kind: '502', times: 99 })
        await t.rejects(pay.micropay({ ...ORDER, outTradeNo: 'M234567', authCode: await emulator.authCode('asks') }), { outcome: 'unknown', code: /WECHAT_(?:NETWORK|REPLY)/ })
        await emulator.clearFaults()
        await emulator.fault({ path: REVERSE('M345678'), kind: failure, times: 99 })
        await t.rejects(pay.micropay({ ...ORDER, outTradeNo: 'M345678', authCode: await emulator.authCode('asks') }), { code: 'WECHAT_REPLY', outcome: 'unknown', message: new RegExp(`neither paid nor reversed \\(${failure}\\)`) })
      })

      t.test('refused: fails immediately, no payment', async t => {
        const { emulator, pay, waited, order } = await stage(t, way)
        await t.rejects(pay.micropay({ ...ORDER, authCode: await emulator.authCode('poor') }), { code: 'WECHAT_API', wechatCode: poor, advice: /payer/i, adviceZh: /用户|顾客/ })
        await t.rejects(pay.micropay({ ...ORDER, authCode: await emulator.authCode('expired') }), { code: 'WECHAT_API', wechatCode: old })
        t.notOk(await order(ORDER.outTradeNo))
        await pay.native(ORDER)
        await t.rejects(pay.micropay({ ...ORDER, authCode: await emulator.authCode() }), { code: 'WECHAT_API', wechatCode: used })
        t.equal(waited(), 0)
      })
    })
  }
})

t.test('APIv3: store information, and unsupported fields', async t => {
  const { emulator, pay } = await stage(t, 'v3')
  const sent = async (outTradeNo: string, order: object) => {
    await pay.micropay({ ...ORDER, outTradeNo, ...order, authCode: await emulator.authCode() })
    const { id } = (await emulator.calls()).find(call => call.url.endsWith('/codepay') && call.verdict === 'accepted')!
    return JSON.parse((await (await fetch(`${emulator.origin}/_emulator/calls/${id}`)).json() as { request: string }).request).scene_info
  }
  t.same(await sent('M100001', { storeInfo: { id: 'S1' }, clientIp: '203.0.113.7', deviceInfo: 'T1' }), { device_id: 'T1', device_ip: '203.0.113.7', store_info: { out_id: 'S1' } })
  t.same(await sent('M100002', { storeInfo: { id: 'S1', placeId: '123456' } }), { store_info: { id: '123456' } })
  t.same(await sent('M100003', {}), { store_info: { out_id: emulator.account.mchId } }, 'store_info is optional with one store')
  await t.rejects(pay.micropay({ ...ORDER, noCredit: true, authCode: '134567890123456789' }), { code: 'WECHAT_INPUT', field: 'noCredit' })
  await t.rejects(pay.micropay({ ...ORDER, limitPay: ['no_debit'], authCode: '134567890123456789' }), { code: 'WECHAT_INPUT', field: 'limitPay' })
})

t.test('the openid of a payment code', async t => {
  const { emulator, pay } = await stage(t)
  t.equal(await pay.v2.openidOf(await emulator.authCode('pays', 'oUpF8uN95-Ptaags6E_roPHg7AG0')), 'oUpF8uN95-Ptaags6E_roPHg7AG0')
})

t.test('reversing a paid order returns the money', async t => {
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

t.test('v2 without a certificate fails before the payment', async t => {
  const { emulator, pay } = await stage(t)
  const { cert: _cert, key: _key, ...v2 } = emulator.config.merchant.v2
  const bare = createPay({ ...emulator.config, merchant: { mchId: emulator.account.mchId, notifyUrl: 'http://127.0.0.1:1/n', v2 } })
  await t.rejects(bare.micropay({ ...ORDER, authCode: await emulator.authCode() }), { code: 'WECHAT_CONFIG', option: 'merchant.v2.pfx' })
  t.notOk(emulator.order(ORDER.outTradeNo))
  await pay.jsapi({ ...ORDER, openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' })
  await t.rejects(pay.v2.post('/secapi/pay/reverse', { out_trade_no: ORDER.outTradeNo }), { code: 'WECHAT_API', wechatCode: 'TRADE_ERROR' })
})

t.test('the official sandbox: its own key and paths', async t => {
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
  t.match(await late.query({ outTradeNo: ORDER.outTradeNo }), { state: 'SUCCESS' }, 'requested again after a failure')
})
