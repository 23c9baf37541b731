/** The purchase as a visitor makes it: Chromium, WeChat's official script, the shop and the emulator. */
import t from 'tap'
import type { Page } from 'playwright-core'
import { createShop } from '../../examples/shop/shop.ts'
import { testEmulator } from '../helpers/account.ts'
import { picture, skip, startBrowser } from '../helpers/browser.ts'
import { freePort } from '../helpers/redis.ts'

type Tap = Parameters<typeof testEmulator>[0]

/** `signing`: RSA is APIv3's. */
async function openShop (t: Tap, signing: 'MD5' | 'HMAC-SHA256' | 'RSA' = 'HMAC-SHA256') {
  const emulator = await testEmulator(t, { timeScale: 0.02 })
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const { merchant, ...account } = emulator.bothConfig
  const version = signing === 'RSA' ? 'v3' : 'v2'
  const shop = await createShop({
    account: { ...account, version, merchant: { ...merchant, notifyUrl: `${origin}/wechat/notify`, v2: { ...merchant.v2, ...(signing !== 'RSA' && { signType: signing }) } } },
    origin,
    bridge: `${emulator.origin}/_emulator/bridge.js`
  })
  await shop.app.listen({ port, host: 'localhost' })
  t.teardown(() => shop.app.close())
  return { emulator, origin, ...shop }
}

const cashier = (page: Page) => page.frameLocator('iframe[title="WeChat Pay"]')
const status = async (page: Page) => (await page.locator('#status').textContent()) ?? ''

async function logIn (page: Page, origin: string, language = 'zh') {
  await page.goto(`${origin}/?lang=${language}`)
  await picture(page, `1-product-${language}`)
  await page.click('#login')
  await picture(page, '2-consent')
  await page.click('#allow')
  await page.waitForSelector('#buy')
}

t.test('in a browser', { skip }, async t => {
  const { visitor } = await startBrowser(t)

  t.test('config accepted, paid, and the order page turns to paid by the notification', async t => {
    for (const [language, signing] of [['zh', 'MD5'], ['en', 'HMAC-SHA256'], ['zh', 'RSA'], ['en', 'RSA']] as const) {
      const { origin, orders, emulator } = await openShop(t, signing)
      const page = await visitor()
      await logIn(page, origin, language)
      await page.waitForSelector('#status[data-state=ready]')
      await picture(page, `3-ready-${language}`)
      await page.click('#buy')
      await cashier(page).locator('#pay').waitFor()
      await picture(page, '4-cashier')
      t.equal(await cashier(page).locator('#amount').textContent(), '¥68.00')
      await cashier(page).locator('#pay').click()
      await page.waitForSelector('#outcome[data-state=paid]')
      await picture(page, `5-paid-${language}`)
      const [order] = (await emulator.app.inject('/_emulator/orders')).json()
      t.match(await orders.find(order.out_trade_no), { handled: 1, amount: 6800, paid: { transactionId: order.transaction_id } })
      t.match(await page.textContent('#outcome'), new RegExp(order.transaction_id))
    }
  })

  t.test('the page\'s ok proves nothing: without a notification the order page waits', async t => {
    const { origin, emulator, app } = await openShop(t)
    const page = await visitor()
    let open = false
    app.server.prependListener('request', request => { if (request.url === '/wechat/notify' && !open) request.destroy() })
    await logIn(page, origin)
    await page.waitForSelector('#status[data-state=ready]')
    await page.click('#buy')
    await cashier(page).locator('#pay').click()
    await page.waitForSelector('#outcome[data-state=waiting]')
    await emulator.waitForNotification(delivery => !delivery.accepted)
    t.ok(await page.isVisible('#outcome[data-state=waiting]'))
    await picture(page, '6-waiting')
    open = true
    await page.waitForSelector('#outcome[data-state=paid]')
  })

  t.test('cancelled at the cashier', async t => {
    const { origin, emulator } = await openShop(t)
    const page = await visitor()
    await logIn(page, origin)
    await page.waitForSelector('#status[data-state=ready]')
    await page.click('#buy')
    await cashier(page).locator('#cancel').click()
    await page.waitForSelector('#outcome[data-state=cancelled]')
    await picture(page, '7-cancelled')
    t.match((await emulator.app.inject('/_emulator/orders')).json(), [{ trade_state: 'NOTPAY', history: [{ what: 'placed' }, { what: /cancelled/ }] }])
  })

  t.test('config refused for a wrong signature', async t => {
    const { origin } = await openShop(t)
    const page = await visitor()
    await page.route('**/wechat/jssdk*', async route => {
      const reply = await route.fetch()
      await route.fulfill({ json: { ...await reply.json(), signature: '0'.repeat(40) } })
    })
    await logIn(page, origin)
    await page.waitForSelector('#status[data-state=failed]')
    t.match(await status(page), /config:invalid signature/)
    await picture(page, '8-config-refused')
  })

  t.test('payment refused for a wrong paySign', async t => {
    const { origin, emulator } = await openShop(t)
    const page = await visitor()
    await page.route('**/wechat/pay', async route => {
      const reply = await route.fetch()
      await route.fulfill({ json: { ...await reply.json(), paySign: '0'.repeat(64) } })
    })
    await logIn(page, origin)
    await page.waitForSelector('#status[data-state=ready]')
    await page.click('#buy')
    await page.waitForSelector('#status[data-state=failed]')
    t.match(await status(page), /chooseWXPay:fail/)
    t.equal(await page.textContent('[role=alert]'), '支付验证签名失败')
    await picture(page, '9-paysign-refused')
    t.match((await emulator.app.inject('/_emulator/orders')).json(), [{ trade_state: 'NOTPAY' }])
  })

  t.test('login refused', async t => {
    const { origin } = await openShop(t)
    const page = await visitor('en-US')
    await page.goto(origin)
    await page.click('#login')
    await page.click('#refuse')
    await page.waitForSelector('#outcome[data-state=refused]')
    t.match(await page.textContent('#outcome'), /Login refused/)
    await picture(page, '10-login-refused')
  })
})

t.test('the shop without a browser: what it refuses', async t => {
  const { app } = await openShop(t)
  t.match(await app.inject({ method: 'POST', url: '/orders' }), { statusCode: 401 })
  t.match(await app.inject('/orders/S0000000000'), { statusCode: 404 })
  t.match(await app.inject('/orders/S0000000000/state'), { statusCode: 404 })
  t.match(await app.inject({ method: 'POST', url: '/wechat/pay' }), { statusCode: 404 })
  const begun = await app.inject('/wechat/oauth/authorize')
  const { pathname, search } = new URL(String((await fetch(String(begun.headers.location), { redirect: 'manual' })).headers.get('location')))
  t.match(await app.inject({ url: pathname + search, cookies: Object.fromEntries(begun.cookies.map(({ name, value }) => [name, value])) }), { statusCode: 302 }, 'a login without a name')
  t.match(await app.inject({ method: 'POST', url: '/wechat/pay', payload: { outTradeNo: 'S0000000000' } }), { statusCode: 404, body: /no such order/ })
  t.match((await app.inject('/')).body, /微信登录后购买/)
  t.match((await app.inject({ url: '/', headers: { 'accept-language': 'en-GB,en' } })).body, /Log in with WeChat/)
})
