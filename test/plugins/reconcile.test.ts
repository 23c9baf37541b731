/** Unfinished orders reach a final state, and records match the bill. */
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { reconcile } from '../../plugins/reconcile.ts'
import type { ReconcileOptions, ReconcileReport, UnfinishedOrder } from '../../plugins/reconcile.ts'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import { reconcileOrders } from '../../src/pay/reconcile.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { skip, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

async function stage (t: Test, options: Partial<ReconcileOptions> = {}, version: 'v2' | 'v3' = 'v3') {
  const emulator = await testEmulator(t)
  const handled: string[] = []
  const unfinished: UnfinishedOrder[] = []
  const make = async (more: Partial<ReconcileOptions> = {}) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(reconcile, {
      ...emulator.bothConfig,
      version,
      // No notification arrives: the case reconciliation is for.
      merchant: { ...emulator.bothConfig.merchant, notifyUrl: 'http://127.0.0.1:1/lost' },
      unfinished: () => unfinished,
      every: 0,
      rate: 1000,
      expected: () => ({ amount: 100, openid: OPENID }),
      onPayment: (payment, { idempotencyKey, source }) => { handled.push(`${payment.outTradeNo} ${source} ${idempotencyKey === payment.transactionId}`) },
      ...options,
      ...more
    })
    return app
  }
  const app = await make()
  const place = async (outTradeNo: string, more: Partial<UnfinishedOrder> & { amount?: number } = {}) => {
    const { amount = 100, ...rest } = more
    await app.wechatPay.jsapi({ outTradeNo, description: '咖啡', amount, openid: OPENID })
    unfinished.push({ outTradeNo, ...rest })
  }
  return { emulator, app, make, place, handled, unfinished }
}

for (const version of ['v2', 'v3'] as const) {
  t.test(`a run with ${version}: paid orders are handled like notifications, expired ones closed, others left open`, async t => {
    const { emulator, app, place, handled, unfinished } = await stage(t, {}, version)
    const past = new Date(Date.now() - 1000)
    await place('RC-paid', { expiresAt: past })
    await place('RC-open', { expiresAt: new Date(Date.now() + 60_000) })
    await place('RC-timeless')
    await place('RC-expired', { expiresAt: past })
    await place('RC-closed')
    await place('RC-wrong', { amount: 200 })
    unfinished.push({ outTradeNo: 'RC-never', expiresAt: past })
    await emulator.pay('RC-paid')
    await emulator.pay('RC-wrong')
    await app.wechatPay.close('RC-closed')
    const report = await app.wechatReconcile.run()
    t.match(report, { orders: 7, paid: 1, open: 2, closed: 1, ended: 1, unknown: 1, failed: 1, failures: [{ outTradeNo: 'RC-wrong', code: 'WECHAT_NOTIFICATION' }], startedAt: Date, finishedAt: Date })
    t.same(handled, ['RC-paid query true'])
    t.match(emulator.order('RC-expired'), { trade_state: 'CLOSED' })
    t.match(await app.wechatReconcile.run(), { paid: 1, ended: 2, closed: 0 }, 'a second run does nothing')
    t.equal(handled.length, 1)
    t.match(app.wechatReconcile.status(), { running: false, report: { orders: 7 } })
    t.notOk(app.hasRoute({ method: 'POST', url: '/wechat/pay' }))
    t.ok(app.hasRoute({ method: 'POST', url: '/wechat/notify' }))
    const delivery = await emulator.waitForNotification(({ out_trade_no: number }) => number === 'RC-paid')
    const { request: { headers, body } } = delivery
    t.match(await app.inject({ method: 'POST', url: '/wechat/notify', headers, payload: body }), { statusCode: version === 'v3' ? 204 : 200 })
    t.equal(handled.length, 1, 'and a late notification is acknowledged')
  })
}

t.test('an order that is paid while it is being closed', async t => {
  const { emulator, app, place, handled } = await stage(t)
  await place('RC-race01', { expiresAt: new Date(Date.now() - 1000) })
  let first = true
  const report = await reconcileOrders([{ outTradeNo: 'RC-race01', expiresAt: new Date(0) }], {
    query: async which => {
      const order = await app.wechatPay.query(which)
      // The visitor pays between the query and the close.
      if (first) await emulator.pay('RC-race01')
      first = false
      return order
    },
    close: app.wechatPay.close,
    deliver: app.wechatNotify.deliver,
    clock: { now: () => performance.now(), sleep: async () => {} },
    rate: 1000,
    signal: new AbortController().signal
  })
  t.match(report, { paid: 1, closed: 0, failed: 0 })
  t.same(handled, ['RC-race01 query true'])
})

t.test('WeChat unavailable, rate limits, failing handlers: reported and retried in the next run', async t => {
  let broken = true
  const working = await stage(t, { onPayment: () => { if (broken) throw new Error('database away') } })
  await working.place('RC-fails1')
  await working.place('RC-busy01')
  await working.place('RC-html01')
  await working.emulator.pay('RC-fails1')
  await working.emulator.fault({ path: '/v3/pay/transactions/out-trade-no/RC-busy01', kind: 'RATELIMIT_EXCEED', times: 3 })
  await working.emulator.fault({ path: '/v3/pay/transactions/out-trade-no/RC-html01', kind: 'html', times: 3 })
  const report = await working.app.wechatReconcile.run()
  t.match(report, { orders: 3, failed: 3 })
  // In order of completion.
  const failures = Object.fromEntries(report!.failures.map(({ outTradeNo, ...failure }) => [outTradeNo, failure]))
  t.match(failures, { 'RC-fails1': { message: 'database away' }, 'RC-busy01': { code: 'RATELIMIT_EXCEED' }, 'RC-html01': { code: 'WECHAT_REPLY' } })
  broken = false
  await working.emulator.clearFaults()
  t.match(await working.app.wechatReconcile.run(), { paid: 1, open: 2, failed: 0 })
})

t.test('a hanging database query or onReport fails its run, and the next one can start', async t => {
  let hangs: 'unfinished' | 'next' | 'onReport' | undefined
  const never = () => new Promise<never>(() => {})
  const { app, place, unfinished } = await stage(t, {
    handlerTimeout: 40,
    handlerLimit: 50,
    unfinished: async () => {
      if (hangs === 'unfinished') await never()
      return hangs === 'next' ? (async function * () { yield * unfinished; await never() })() : unfinished
    },
    onReport: async () => { if (hangs === 'onReport') await never() }
  })
  await place('RC-hangs01')
  for (hangs of ['unfinished', 'next'] as const) await t.rejects(app.wechatReconcile.run(), { code: 'WECHAT_RECONCILE_STALLED', message: /within 50 ms/ }, hangs)
  hangs = 'onReport'
  await t.rejects(app.wechatReconcile.run(), { message: 'onReport did not return within 50 ms' })
  hangs = undefined
  t.match(await app.wechatReconcile.run(), { orders: 1, open: 1 })
})

t.test('scheduled runs in one process at a time', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const reports: ReconcileReport[] = []
  const { emulator, place, make, handled, app: first } = await stage(t, { redis: redis.client(), onReport: report => { reports.push(report) } })
  const fleet = await Promise.all([1, 2, 3].map(() => make({ redis: redis.client(), every: 0.5 })))
  for (let at = 0; at < 5; at++) await place(`RC-fleet${at}`)
  await emulator.pay('RC-fleet0')
  const startedAt = performance.now()
  await sleep(2300)
  const seconds = (performance.now() - startedAt) / 1000
  t.ok(reports.length >= 2 && reports.length <= Math.ceil(seconds / 0.45) + 1, `${reports.length} runs of three processes in ${seconds.toFixed(1)} s`)
  t.same(handled, ['RC-fleet0 query true'])
  const all = await Promise.all([...fleet, first].map(app => app.wechatReconcile.run()))
  t.equal(all.filter(Boolean).length, 1, 'concurrent runs: only one starts')
  await Promise.all(fleet.map(app => app.close()))
  const before = reports.length
  await sleep(700)
  t.equal(reports.length, before, 'and none after closing')
})

t.test('the running process takes its lease again if Redis loses it', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const { app, place, unfinished, make } = await stage(t, { redis: redis.client(), rate: 2 })
  const other = await make({ redis: redis.client() })
  await place('RC-flush1')
  for (let at = 0; at < 50; at++) unfinished.push({ outTradeNo: 'RC-flush1' })
  const running = app.wechatReconcile.run()
  await sleep(200)
  const admin = redis.client()
  await admin.flushall()
  await until(async () => (await admin.keys('*:reconcile:*:lock')).length > 0)
  t.equal(await other.wechatReconcile.run(), undefined)
  t.ok(app.wechatReconcile.status().running)
  await app.close()
  await running
})

t.test('closing the server stops a run', async t => {
  const { app, place, unfinished } = await stage(t, { rate: 5 })
  await place('RC-long01')
  for (let at = 0; at < 500; at++) unfinished.push({ outTradeNo: 'RC-long01' })
  const running = app.wechatReconcile.run()
  await sleep(300)
  t.match(app.wechatReconcile.status(), { running: true, report: { orders: Number } })
  await app.close()
  const report = await running
  t.ok(report!.orders < 20, `${report!.orders} of 501`)
})

t.test('options, and registration by wechatPay', async t => {
  const { emulator } = await stage(t)
  const merchant = { ...emulator.v3Config.merchant, notifyUrl: 'http://127.0.0.1:1/lost' }
  for (const [change, option] of [[{ unfinished: undefined }, 'unfinished'], [{ every: -1 }, 'every'], [{ rate: 0 }, 'rate']] as const) {
    const app = Fastify()
    app.register(reconcile, Object.assign({ ...emulator.v3Config, merchant, unfinished: () => [], onPayment: () => {} }, change) as never)
    await t.rejects(async () => await app.ready(), { code: 'WECHAT_CONFIG', option })
  }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wechatPay, { ...emulator.v3Config, merchant, unfinished: async () => [{ outTradeNo: 'RC-nobody' }], expected: () => null, onPayment: () => {} })
  t.match(await app.wechatReconcile.run(), { orders: 1, unknown: 1 })
})
