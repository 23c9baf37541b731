/** The dashboard in Chromium: orders with their life lines, verdicts with explanations, notifications, faults; live. */
import Fastify from 'fastify'
import t from 'tap'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { picture, skip, startBrowser } from '../helpers/browser.ts'
import { freePort } from '../helpers/redis.ts'

/** The test's own time-out ends what never comes. */
async function until (holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!await holds()) await new Promise(resolve => setTimeout(resolve, 20))
}

t.test('in a browser', { skip, timeout: 110_000 }, async t => {
  const { visitor } = await startBrowser(t)
  const emulator = await testEmulator(t, { accounts: [{ name: 'second' }] })
  const app = Fastify()
  t.teardown(() => app.close())
  const port = await freePort()
  const paid: string[] = []
  await app.register(wechatPay, { ...emulator.bothConfig, merchant: { ...emulator.bothConfig.merchant, notifyUrl: `http://127.0.0.1:${port}/wechat/notify` }, onPayment: payment => { paid.push(payment.outTradeNo) } })
  await app.listen({ port, host: '127.0.0.1' })
  const order = (outTradeNo: string) => app.wechatPay.jsapi({ outTradeNo, description: '<img src=x onerror=alert(1)>', amount: 6800, openid: OPENID })
  const page = await visitor('en-GB')
  const problems: string[] = []
  page.on('pageerror', error => problems.push(error.message))
  page.on('dialog', dialog => { problems.push(dialog.message()); dialog.dismiss().catch(() => {}) })

  await page.goto(`${emulator.origin}/_emulator/dashboard`)
  await page.waitForSelector('#live.on')
  t.match(await page.textContent('#orders'), /No orders yet/)

  await order('DASH-001')
  const card = page.locator('#orders article')
  await card.waitFor()
  t.match(await card.textContent(), /¥68\.00<img src=x onerror=alert\(1\)>unpaidDASH-001 · JSAPI · APIv3placed/, 'live, and as text')
  await card.getByRole('button', { name: 'Pay' }).click()
  await card.getByText('notified (payment)').waitFor()
  t.same(paid, ['DASH-001'])
  await picture(page, 'dashboard-orders')
  await card.getByRole('button', { name: 'Refund ¥68.00' }).click()
  await card.getByText('refunded ¥68.00 SUCCESS').waitFor()
  await order('DASH-002')
  await page.locator('#orders article').nth(1).waitFor()
  await page.locator('#orders article').first().getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('cancelled at the cashier').waitFor()

  // A signature that is wrong in a usual way.
  await emulator.app.inject({ method: 'POST', url: '/pay/orderquery', payload: `<xml><appid>${emulator.account.appId}</appid><mch_id>${emulator.account.mchId}</mch_id><nonce_str>1</nonce_str><out_trade_no>DASH-002</out_trade_no><sign>${'0'.repeat(32)}</sign></xml>` })
  await page.getByRole('tab', { name: /API calls/ }).click()
  const call = page.locator('#calls details').first()
  await call.getByText('refused 200').waitFor()
  t.match(await call.textContent(), /POST \/pay\/orderquery · DASH-002.*签名错误，请检查后再试 — None of the usual mistakes/)
  await call.locator('summary').click()
  await call.locator('pre').first().waitFor()
  t.match(await call.locator('.pair').textContent(), /appid=wx\w+&mch_id=\d+&nonce_str=1&out_trade_no=DASH-002&key=<API key>/)
  await emulator.app.inject('/cgi-bin/token')
  await page.locator('#calls details').nth(1).locator('summary').getByText('/pay/orderquery').waitFor()
  t.ok(await page.locator('#calls details').nth(1).getAttribute('open') !== null, 'what is open stays open')
  await picture(page, 'dashboard-calls')

  await page.getByRole('tab', { name: /Notifications/ }).click()
  const news = page.locator('#notifications details')
  await news.first().waitFor()
  const before = await news.count()
  await news.last().getByRole('button', { name: 'Send again' }).click()
  await news.nth(before).waitFor()
  await until(() => emulator.notifications().at(-1)?.accepted === true)
  t.same(paid, ['DASH-001'], 'sent again, handled once')

  await page.getByRole('tab', { name: /Faults/ }).click()
  const fault = page.getByRole('switch', { name: /^502/ })
  await fault.click()
  await page.locator('[data-kind="502"][aria-checked=true]').waitFor()
  t.match(await emulator.app.inject('/cgi-bin/token'), { statusCode: 502 })
  await page.getByLabel('Calls meet').selectOption('/v3')
  // The page takes the old fault back before it sets the new one.
  await until(async () => (await emulator.app.inject('/_emulator/faults')).json().faults[0]?.path === '/v3')
  await t.resolves(emulator.app.inject('/cgi-bin/token').then(reply => { if (reply.statusCode !== 200) throw new Error('met') }))
  await fault.click()
  await page.locator('[data-kind="502"][aria-checked=false]').waitFor()
  await page.getByRole('button', { name: 'Expire access_token' }).click()
  await page.getByText('Done').waitFor()
  await page.getByRole('switch', { name: /^drop/ }).click()
  await page.locator('[data-kind=drop][aria-checked=true]').waitFor()
  t.match((await emulator.app.inject('/_emulator/faults')).json(), { faults: [], mishaps: [{ kind: 'drop' }] })

  await page.click('#language')
  t.match(await page.textContent('#tabs'), /订单.*接口调用.*通知.*故障与工具/)
  await picture(page, 'dashboard-zh')
  await page.reload()
  t.match(await page.textContent('h1'), /微信模拟器/, 'remembered')
  await page.selectOption('#accounts', 'second')
  await page.waitForURL('**/second/_emulator/dashboard#trouble')
  await page.locator('#account').getByText(emulator.named('second').account.appId).waitFor()
  t.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'fits a phone')

  const wide = await visitor()
  await wide.setViewportSize({ width: 1280, height: 800 })
  await wide.emulateMedia({ colorScheme: 'dark' })
  await wide.goto(`${emulator.origin}/_emulator/dashboard#calls`)
  t.match(await wide.textContent('h1'), /微信模拟器/, 'in the browser\'s language')
  t.equal(await wide.evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(17, 19, 21)')
  t.ok(await wide.isVisible('#calls'))
  await picture(wide, 'dashboard-dark')
  t.same(problems, [])
})
