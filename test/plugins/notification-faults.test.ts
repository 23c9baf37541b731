/** Whatever happens to notifications in transit, each payment is handled once and none is lost. */
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { createRandomFaults } from '../../plugins/emulator/faults/random-faults.ts'
import type { Chaos, NotificationFault } from '../../plugins/emulator/server/emulator.ts'
import { testNotifications } from '../../plugins/emulator/server/emulator.ts'
import { notify } from '../../plugins/notify.ts'
import type { NotifyOptions } from '../../plugins/notify.ts'
import { createPay } from '../../src/pay/pay.ts'
import { ACCOUNT, OPENID, testEmulator } from '../helpers/account.ts'

async function shop (t: Test, version: 'v2' | 'v3') {
  const emulator = await testEmulator(t)
  const app = Fastify()
  t.teardown(() => app.close())
  const handled: string[] = []
  await app.register(notify, { ...emulator.bothConfig, onPayment: ({ outTradeNo }) => { handled.push(outTradeNo) } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const pay = createPay({ ...emulator.bothConfig, version, merchant: { ...emulator.bothConfig.merchant, notifyUrl: `${app.listeningOrigin}/wechat/notify` } })
  const buy = async (outTradeNo: string) => {
    await pay.jsapi({ outTradeNo, description: '咖啡', amount: 100, openid: OPENID })
    await emulator.pay(outTradeNo)
  }
  const notified = (outTradeNo: string) => emulator.waitForNotification(delivery => delivery.accepted && delivery.out_trade_no === outTradeNo)
  return { emulator, handled, buy, notified }
}

for (const version of ['v2', 'v3'] as const) {
  t.test(`${version}: one fault at a time`, async t => {
    const { emulator, handled, buy, notified } = await shop(t, version)
    const notificationFaults: NotificationFault[] = [{ kind: 'drop' }, { kind: 'delay', ms: 20 }, { kind: 'duplicate', copies: 4 }, { kind: 'concurrent', copies: 10 }, { kind: 'forge' }]
    for (const fault of notificationFaults) {
      const number = `MH-${fault.kind}`
      await emulator.notificationFault(fault)
      await buy(number)
      await notified(number)
      t.same(handled.filter(handled => handled === number), [number], fault.kind)
    }
    const attempts = (kind: string) => emulator.notifications().filter(({ out_trade_no: number }) => number === `MH-${kind}`)
    t.match(attempts('drop'), [{ attempt: 2, accepted: true }])
    t.match(attempts('forge'), [{ accepted: false, reply: { status: 401 } }, { attempt: 2, accepted: true }])
    t.equal(attempts('concurrent').length, 10)
    t.ok(attempts('duplicate').length >= 1)
    await emulator.notificationFault({ kind: 'hold' })
    await buy('MH-held01')
    await buy('MH-next01')
    await notified('MH-held01')
    t.same(handled.slice(-2), ['MH-next01', 'MH-held01'], 'overtaken')
  })
}

t.test('random faults of calls and notifications: each purchase is handled once', async t => {
  const odds: Chaos = { seed: 42, notifications: { drop: 0.2, delay: 0.2, duplicate: 0.1, concurrent: 0.1, forge: 0.1, hold: 0.05 }, calls: { reset: 0.1, 502: 0.1, html: 0.05, garbage: 0.05, slow: 0.1, SYSTEM_ERROR: 0.05 } }
  const { emulator, handled, buy, notified } = await shop(t, 'v3')
  await emulator.chaos(odds)
  const numbers = Array.from({ length: 60 }, (_none, at) => `CH-${String(at).padStart(4, '0')}`)
  let failures = 0
  // Like a page: retry with the same number until the order is placed.
  const buyWithRetries = async (number: string): Promise<void> => {
    try {
      await buy(number)
    } catch (error) {
      failures++
      t.match(error, { code: /^WECHAT_/ })
      await buyWithRetries(number)
    }
  }
  await Promise.all(numbers.map(buyWithRetries))
  await Promise.all(numbers.map(notified))
  t.same([...handled].sort(), numbers, 'none lost, none handled twice')
  t.ok(failures > 0 && emulator.notifications().length > numbers.length, `${failures} calls failed`)
  await emulator.clearFaults()
})

t.test('the same seed gives the same faults', t => {
  const draws = (seed: number) => {
    const draws = createRandomFaults(seed)
    return Array.from({ length: 50 }, () => `${draws.draw({ a: 0.3, b: 0.3 })} ${draws.below(10)}`)
  }
  t.same(draws(1), draws(1))
  t.not(draws(1).join(), draws(2).join())
  t.ok(new Set(draws(3).map(draw => draw.split(' ')[0])).size === 3)
  t.end()
})

t.test('testNotifications: messages for a given account, without an emulator', async t => {
  const handled: string[] = []
  const account = { appId: ACCOUNT.appId, mchId: ACCOUNT.merchant.mchId, apiKey: ACCOUNT.merchant.v2.apiKey, apiV3Key: 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6' }
  const options = (merchant: NotifyOptions['merchant']): NotifyOptions => ({
    appId: account.appId,
    merchant,
    onPayment: ({ outTradeNo, amount, attach, openid }) => { handled.push(`paid ${outTradeNo} ${amount} ${attach} ${openid === OPENID}`) },
    onRefund: ({ outRefundNo, amount, state }) => { handled.push(`refund ${outRefundNo} ${amount} ${state}`) }
  })
  for (const signType of ['MD5', 'HMAC-SHA256'] as const) {
    const { v2, v3 } = testNotifications({ ...account, signType })
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(notify, options({ mchId: account.mchId, v2: { apiKey: account.apiKey, signType }, v3: v3.merchant }))
    app.wechatNotify.on('COUPON.USE', ({ resource }) => { handled.push(`event ${JSON.stringify(resource)}`) })
    const send = async (message: { headers: Record<string, string>, payload: string }) => (await app.inject({ method: 'POST', url: '/wechat/notify', ...message })).statusCode
    handled.length = 0
    for (const version of [v2, v3]) {
      t.ok(await send(version.payment({ outTradeNo: 'UT123456', amount: 6800, attach: 'a=1' })) < 300)
      for (const state of ['SUCCESS', 'CLOSED', 'ABNORMAL'] as const) t.ok(await send(version.refund({ outTradeNo: 'UT123456', outRefundNo: 'UR1', amount: 100, total: 6800, state })) < 300)
    }
    t.equal(await send(v3.event('COUPON.USE', { stock: 1 })), 204)
    t.equal(await send(v3.forged(v3.payment({ outTradeNo: 'UT123456', amount: 6800 }))), 401)
    const once = ['paid UT123456 6800 a=1 true', 'refund UR1 100 SUCCESS', 'refund UR1 100 CLOSED', 'refund UR1 100 ABNORMAL']
    t.same(handled, [...once, ...once, 'event {"stock":1}'])
  }
})
