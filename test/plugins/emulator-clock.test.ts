/** The emulator's clock can be moved; signatures use the real time, so that v3's five-minute check works. */
import { join } from 'node:path'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import { toChinaDay } from '../../src/pay/china-time.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { freePort } from '../helpers/redis.ts'

const DAY = 86_400_000

type Config = Awaited<ReturnType<typeof createEmulator>>['config']

/** A v3 shop; while `receiver.isUp` is false, it refuses all notifications. */
async function shop (t: Test, config: Config) {
  const app = Fastify()
  t.teardown(() => app.close())
  const receiver = { isUp: true }
  const paid: string[] = []
  const port = await freePort()
  app.addHook('onRequest', async (_request, reply) => { if (!receiver.isUp) return reply.code(503).send('') })
  const { v3, mchId } = config.merchant
  app.register(wechatPay, { ...config, merchant: { mchId, v3, notifyUrl: `http://127.0.0.1:${port}/wechat/notify` }, onPayment: payment => { paid.push(payment.outTradeNo) } })
  await app.listen({ port, host: '127.0.0.1' })
  const place = (outTradeNo: string, more: object = {}) => app.wechatPay.jsapi({ outTradeNo, description: 'x', amount: 100, openid: OPENID, ...more })
  return { app, receiver, paid, place }
}

async function rowsOf ({ wechatPay }: FastifyInstance, date: string) {
  const rows = []
  for await (const row of wechatPay.tradeBill({ date })) rows.push(row)
  return rows
}

t.test('a v3 client downloads the bill of an order just placed', async t => {
  const emulator = await testEmulator(t)
  const { app, paid, place } = await shop(t, emulator.bothConfig)
  // Move back, order, return: then the bill is of a past day for the client, too.
  emulator.advance(-2 * DAY)
  await place('BILLED-1')
  await emulator.pay('BILLED-1')
  await emulator.waitForNotification(({ accepted }) => accepted)
  await app.wechatPay.refund({ outTradeNo: 'BILLED-1', outRefundNo: 'BILLED-1-R', amount: 30, total: 100 })
  const date = toChinaDay(new Date(Date.now() - 2 * DAY))
  await t.rejects(rowsOf(app, date), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR' }, 'the day is not over')
  emulator.resetClock()
  t.match(await rowsOf(app, date), [{ outTradeNo: 'BILLED-1', amount: 100, state: 'SUCCESS' }, { outTradeNo: 'BILLED-1', state: 'REFUND', refund: { amount: 30 } }])
  // Or move forward: a client that does not check its own date gets today's bill.
  const bill = () => app.wechatPay.v3.request<{ download_url: string }>('GET', '/v3/bill/tradebill', { query: { bill_date: toChinaDay(new Date()) } })
  await t.rejects(bill(), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR' })
  await place('BILLED-2')
  await emulator.pay('BILLED-2')
  emulator.advance(2 * DAY)
  t.match(await bill(), { download_url: /token=/ })

  // Orders can be placed, paid and notified on any day, in the future and in the past.
  await place('LATER-01')
  emulator.advance(-9 * DAY)
  await place('EARLIER1')
  for (const number of ['LATER-01', 'EARLIER1']) {
    await emulator.pay(number)
    await emulator.waitForNotification(({ accepted, out_trade_no: told }) => accepted && told === number)
  }
  await emulator.waitForNotification(({ accepted, out_trade_no: told }) => accepted && told === 'BILLED-2')
  t.same(paid.sort(), ['BILLED-1', 'BILLED-2', 'EARLIER1', 'LATER-01'])
  emulator.resetClock()
  const { now } = (await emulator.app.inject('/_emulator/state')).json<{ now: string }>()
  t.ok(Math.abs(Date.parse(now) - Date.now()) < DAY / 24)
})

t.test('moving the clock forward triggers what is due: redelivery, refunds, expiry', async t => {
  const emulator = await testEmulator(t, { timeScale: 1, refundDelay: 3600 })
  const { app, receiver, paid, place } = await shop(t, emulator.bothConfig)
  await place('DUE-0001')
  receiver.isUp = false
  await emulator.pay('DUE-0001')
  await emulator.waitForNotification(({ attempt }) => attempt === 1)
  receiver.isUp = true
  emulator.advance(-DAY)
  emulator.advance(DAY + 15_000)
  await emulator.waitForNotification(({ attempt, accepted }) => attempt === 2 && accepted)
  t.same(paid, ['DUE-0001'])

  await app.wechatPay.refund({ outTradeNo: 'DUE-0001', outRefundNo: 'DUE-0001-R', amount: 30, total: 100 })
  t.match(await app.wechatPay.queryRefund({ outRefundNo: 'DUE-0001-R' }), { state: 'PROCESSING' })
  emulator.advance(3600_000)
  await emulator.waitForNotification(({ about }) => about === 'refund')
  t.match(await app.wechatPay.queryRefund({ outRefundNo: 'DUE-0001-R' }), { state: 'SUCCESS' })

  await place('DUE-0002', { expiresAt: new Date(Date.now() + 2 * 3600_000 + 600_000) })
  emulator.advance(3 * 3600_000)
  t.match(await app.wechatPay.query({ outTradeNo: 'DUE-0002' }), { state: 'CLOSED' })
})

for (const moved of [300 * DAY, -300 * DAY]) {
  t.test(`a restart with saved state returns to the real date (moved by ${moved / DAY} days)`, async t => {
    const data = join(t.testdir({}), 'kept')
    const first = await createEmulator({ data, timeScale: 0.001 })
    const one = await shop(t, first.config)
    await first.advance(moved)
    await one.place('KEPT-001')
    one.receiver.isUp = false
    await first.pay('KEPT-001')
    await first.waitForNotification()
    await first.close()
    const second = await createEmulator({ data, timeScale: 0.001 })
    t.ok(Math.abs(Date.parse((await second.app.inject('/_emulator/state')).json().now) - Date.now()) < DAY / 24)
    one.receiver.isUp = true
    await second.waitForNotification(({ accepted }) => accepted)
    t.same(one.paid, ['KEPT-001'], 'pending notifications are sent soon')
    const two = await shop(t, second.config)
    t.match(await two.app.wechatPay.query({ outTradeNo: 'KEPT-001' }), { state: 'SUCCESS' }, 'a v3 client can call')
    await second.close()
  })
}
