/** One merchant with several appIds (Official Account, mini program, app), one client and one notification route. */
import Fastify from 'fastify'
import t from 'tap'
import { reconcile } from '../../../plugins/reconcile.ts'
import { createPay } from '../../../src/pay/pay.ts'
import { ACCOUNT, OPENID, testEmulator } from '../../helpers/account.ts'
import { payment, signed } from '../../helpers/notification.ts'

const MINI = 'wxminiprogram00001'
const APP = 'wxmobileapp0000001'

for (const version of ['v2', 'v3'] as const) {
  t.test(`${version}: orders under each appId are queried, refunded, notified and reconciled by one client`, async t => {
    const emulator = await testEmulator(t, { appIds: [MINI, APP] })
    const handled: string[] = []
    const app = Fastify()
    t.teardown(() => app.close())
    const unfinished: Array<{ outTradeNo: string }> = []
    const options = (notifyUrl: string) => ({ ...emulator.bothConfig, version, merchant: { ...emulator.bothConfig.merchant, notifyUrl, appIds: [MINI, APP] } })
    await app.register(reconcile, {
      ...options('http://127.0.0.1:1/lost'),
      unfinished: () => unfinished,
      every: 0,
      onPayment: ({ outTradeNo, appId }, { source }) => { handled.push(`${outTradeNo} ${appId} ${source}`) },
      onRefund: ({ outRefundNo }) => { handled.push(outRefundNo) }
    })
    const origin = await app.listen({ port: 0 })
    const pay = createPay(options(`${origin}/wechat/notify`))
    const order = (outTradeNo: string, appId?: string) => ({ outTradeNo, description: '咖啡', amount: 100, openid: OPENID, ...(appId && { appId }) })

    t.match(await pay.jsapi(order('APPIDS-1')), { appId: emulator.config.appId })
    t.match(await pay.jsapi(order('APPIDS-2', MINI)), { appId: MINI })
    t.match(await pay.miniProgram(order('APPIDS-3', MINI)), { package: /^prepay_id=/ })
    t.match(await pay.app(order('APPIDS-4', APP)), { appid: APP })
    t.match(emulator.order('APPIDS-4'), { appid: APP })
    t.match(await pay.query({ outTradeNo: 'APPIDS-2' }), { state: 'NOTPAY', appId: version === 'v3' ? MINI : emulator.config.appId })
    for (const number of ['APPIDS-1', 'APPIDS-2', 'APPIDS-3', 'APPIDS-4']) {
      await emulator.pay(number)
      await emulator.waitForNotification(({ out_trade_no: of, accepted }) => of === number && accepted)
    }
    t.same(handled.splice(0), [`APPIDS-1 ${emulator.config.appId} notification`, `APPIDS-2 ${MINI} notification`, `APPIDS-3 ${MINI} notification`, `APPIDS-4 ${APP} notification`])
    t.match(await pay.refund({ outTradeNo: 'APPIDS-4', outRefundNo: 'APPIDS-R1', amount: 40, total: 100 }), { amount: 40 })
    await emulator.waitForNotification(({ about, accepted }) => about === 'refund' && accepted)
    t.same(handled.splice(0), ['APPIDS-R1'])

    await app.wechatPay.miniProgram(order('APPIDS-5', MINI))
    await emulator.pay('APPIDS-5')
    unfinished.push({ outTradeNo: 'APPIDS-5' })
    t.match(await app.wechatReconcile.run(), { paid: 1, failed: 0 })
    t.match(handled, [/^APPIDS-5 .* query$/])

    await t.rejects(pay.jsapi(order('APPIDS-6', 'wxsomebodyelse0001')), { code: 'WECHAT_INPUT', message: /appId/ }, 'not one of our appIds')
    await t.rejects(pay.forSubMerchant({ subMchId: '1900000110' }).jsapi(order('APPIDS-7', MINI)), { code: /WECHAT/ })
    const alone = createPay({ ...emulator.bothConfig, version, merchant: { ...emulator.bothConfig.merchant, notifyUrl: `${origin}/wechat/notify` } })
    // v2's answer contains the request's appId.
    if (version === 'v3') await t.rejects(alone.query({ outTradeNo: 'APPIDS-2' }), { code: 'WECHAT_REPLY' }, 'without appIds they are foreign')
    await t.rejects(alone.jsapi(order('APPIDS-8', MINI)), { code: 'WECHAT_INPUT' })
  })
}

t.test('a notification with a foreign appId is refused', async t => {
  const { readV2Notification } = await import('../../../src/pay/v2/notification.ts')
  const { checkMerchant } = await import('../../../src/pay/merchant.ts')
  const { v2 } = checkMerchant({ ...ACCOUNT.merchant, appIds: [MINI] }, 'https://pay.test')
  const read = (appid: string) => readV2Notification(Buffer.from(signed(payment({ appid }))), ACCOUNT.appId, v2!)
  t.match(read(MINI), { kind: 'payment', payment: { appId: MINI } })
  t.match(read(ACCOUNT.appId), { kind: 'payment' })
  t.throws(() => read(APP), { code: 'WECHAT_NOTIFICATION', statusCode: 403 })
})
