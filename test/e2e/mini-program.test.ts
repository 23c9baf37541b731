/** A mini program's purchase from a test page in a real browser: wx.login, order, wx.requestPayment, payment. */
import Fastify from 'fastify'
import t from 'tap'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import type { Payment } from '../../plugins/notify.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { skip, startBrowser } from '../helpers/browser.ts'
import { freePort } from '../helpers/redis.ts'

const page = (origin: string) => `<!doctype html><meta charset="utf-8"><title>mini program</title><body>
<script src="${origin}/_emulator/bridge.js"></script>
<script>
const post = async (path, body) => (await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json()
async function buy (number) {
  const { code } = await new Promise((success, fail) => wx.login({ success, fail }))
  const { token } = await post('/wechat/mini-program/login', { code })
  const params = await post('/wechat/pay', { token, number })
  return await new Promise(resolve => wx.requestPayment({ ...params, success: resolve, fail: resolve }))
}
</script></body>`

t.test('login, payment, cancellation, wrong signature', { skip, timeout: 110_000 }, async t => {
  const emulator = await testEmulator(t)
  const port = await freePort()
  const paid: Payment[] = []
  const sessions = new Map<string, string>()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wechatPay, {
    ...emulator.bothConfig,
    merchant: { ...emulator.bothConfig.merchant, notifyUrl: `http://127.0.0.1:${port}/wechat/notify` },
    onMiniProgramLogin: ({ openid }) => {
      const token = String(sessions.size)
      sessions.set(token, openid)
      return { token }
    },
    order (request) {
      const { token, number } = request.body as { token: string, number: string }
      return { outTradeNo: number, description: '咖啡', amount: 6800, openid: sessions.get(token) ?? '', way: 'miniProgram' }
    },
    expected: () => ({ amount: 6800, openid: OPENID }),
    onPayment: payment => { paid.push(payment) }
  })
  app.get('/', (_request, reply) => reply.type('text/html').send(page(emulator.origin)))
  await app.listen({ port, host: '127.0.0.1' })
  const { visitor } = await startBrowser(t)
  const visit = await visitor()
  await visit.goto(`http://localhost:${port}`)
  const frame = visit.frameLocator('iframe[title="WeChat Pay"]')

  const bought = visit.evaluate("buy('MINI-E2E-1')")
  await frame.locator('#pay').click()
  t.same(await bought, { errMsg: 'requestPayment:ok' })
  await emulator.waitForNotification(({ accepted }) => accepted)
  t.match(paid, [{ outTradeNo: 'MINI-E2E-1', openid: OPENID, appId: emulator.account.appId }])

  const left = visit.evaluate("buy('MINI-E2E-2')")
  await frame.locator('#cancel').click()
  t.same(await left, { errMsg: 'requestPayment:fail cancel' })
  t.match(await visit.evaluate("wx.requestPayment({ timeStamp: '1', nonceStr: 'x', package: 'prepay_id=none', signType: 'RSA', paySign: 'x' }).catch(error => error.message)"), /^requestPayment:fail /)
})
