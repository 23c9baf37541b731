/** Wrong arguments from JavaScript callers are refused by name before anything is sent, never with an internal TypeError. */
import t from 'tap'
import { createDelivery, createOAuth, createOnce, createMemoryStore, createPay, jssdkConfig, reconcileOrders, WechatInputError } from '../../../src/index.ts'
import type { Payment, ReconcileParts, UnfinishedOrder } from '../../../src/index.ts'
import { silent } from '../../../src/log.ts'
import { systemClock } from '../../../src/clock.ts'
import { patience } from '../../helpers/patience.ts'
import { ACCOUNT, OPENID } from '../../helpers/account.ts'
import { fakeServer } from '../../helpers/fake-server.ts'

const ODD = [undefined, null, 'A1', 5, true, [], {}, () => {}, Symbol('x')]

t.test('payment calls', async t => {
  const server = await fakeServer((_seen, reply) => { reply.end() })
  t.teardown(server.close)
  const pay = createPay({ ...ACCOUNT, endpoints: server.endpoints })
  const calls: Record<string, (odd: never) => unknown> = {
    jsapi: pay.jsapi,
    miniProgram: pay.miniProgram,
    app: pay.app,
    native: pay.native,
    h5: pay.h5,
    micropay: pay.micropay,
    query: pay.query,
    refund: pay.refund,
    queryRefund: pay.queryRefund,
    tradeBill: pay.tradeBill,
    fundFlowBill: pay.fundFlowBill,
    forSubMerchant: pay.forSubMerchant
  }
  for (const [name, call] of Object.entries(calls)) {
    for (const odd of ODD) {
      const error = await (async () => await call(odd as never))().catch((error: unknown) => error)
      t.ok(error instanceof WechatInputError, `${name}(${String(odd)}): ${String(error)}`)
    }
  }
  // close takes a string.
  for (const odd of ODD.filter(odd => odd !== 'A1')) await t.rejects(pay.close(odd as never), { code: 'WECHAT_INPUT', field: 'outTradeNo' })
  await t.rejects(pay.query('A1' as never), { message: 'query takes an object: { outTradeNo } or { transactionId }', statusCode: 400 })
  await t.rejects(pay.queryRefund('x' as never), { message: 'queryRefund takes an object: { outRefundNo }' })
  t.same(server.seen, [])
})

t.test('Official Account calls', async t => {
  const server = await fakeServer((_seen, reply) => { reply.end() })
  t.teardown(server.close)
  const oauth = createOAuth({ appId: ACCOUNT.appId, appSecret: ACCOUNT.appSecret, endpoints: server.endpoints })
  for (const odd of ODD.filter(odd => odd !== 'A1')) {
    t.throws(() => oauth.authorizeUrl(odd as never), { code: 'WECHAT_INPUT' })
    for (const call of [oauth.exchange, oauth.refresh, (odd: never) => oauth.userinfo(odd, OPENID), (odd: never) => oauth.userinfo('token', odd), (odd: never) => oauth.check('token', odd)]) {
      await t.rejects(call(odd as never) as Promise<unknown>, { code: 'WECHAT_INPUT' })
    }
    t.throws(() => jssdkConfig('wx1', 'ticket', odd as never), { code: 'WECHAT_INPUT', field: 'url' })
  }
  t.throws(() => oauth.authorizeUrl({ redirectUri: 'https://x.test/', scope: 'snsapi_base' } as never), { field: 'state', code: 'WECHAT_INPUT' })
  t.same(server.seen, [])
})

t.test('expected() may return null, like a database', async t => {
  const { payment } = { payment: { outTradeNo: 'N-1', transactionId: '42', amount: 1, currency: 'CNY' } as Payment }
  const mismatches: unknown[] = []
  for (const none of [null, undefined]) {
    const delivery = createDelivery('wx1', '19', createOnce(createMemoryStore(), { timeout: patience(1000), remember: 1000 }), {
      onPayment: () => t.fail('an unexpected order was handled'), expected: async () => none, onMismatch: (_payment, expected) => { mismatches.push(expected) }
    })
    await t.rejects(delivery.payment(payment, { source: 'query' }, silent), { code: 'WECHAT_NOTIFICATION', statusCode: 409 })
  }
  t.same(mismatches, [undefined, undefined])
})

t.test('unfinished orders: an array, an iterable, an async iterable, or a promise of one; invalid rows are counted and named', async t => {
  const queried: string[] = []
  const parts: ReconcileParts = {
    query: async ({ outTradeNo }) => { queried.push(outTradeNo); return { outTradeNo, state: 'NOTPAY', appId: 'wx1', mchId: '19', raw: {} } },
    close: async () => {},
    deliver: async () => {},
    clock: systemClock,
    rate: 1000,
    signal: new AbortController().signal
  }
  const rows: UnfinishedOrder[] = [{ outTradeNo: 'U-1' }, { outTradeNo: 'U-2', expiresAt: new Date(0) }, { outTradeNo: 'U-3', expiresAt: null }]
  async function * flowing () { yield * rows }
  for (const orders of [rows, new Set(rows), flowing(), Promise.resolve(rows), Promise.resolve(flowing()), (async () => new Set(rows))()]) {
    t.match(await reconcileOrders(orders, parts), { orders: 3, open: 2, closed: 1, failed: 0 })
  }
  t.equal(queried.length, 18)
  for (const wrong of [undefined, null, 5, 'U-1', {}, Promise.resolve(undefined)]) await t.rejects(reconcileOrders(wrong as never, parts), { code: 'WECHAT_INPUT', field: 'unfinished' })
  const report = await reconcileOrders([undefined, null, 'U-1', { outTradeNo: 'U-4', expiresAt: '2026-11-27' }, { outTradeNo: 'U-5', expiresAt: new Date('x') }, { outTradeNo: 'U-6' }] as never, parts)
  t.match(report, { orders: 6, open: 1, failed: 5, failures: [{ code: 'WECHAT_INPUT' }, { code: 'WECHAT_INPUT' }, { code: 'WECHAT_INPUT' }, { outTradeNo: 'U-4', message: 'expiresAt must be a Date' }, { outTradeNo: 'U-5' }] })
  t.same(queried.slice(18), ['U-6'], 'they are not queried')
})
