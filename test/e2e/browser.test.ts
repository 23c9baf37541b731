/** A purchase in Chromium, with WeChat's official script, the shop and the emulator. */
import t from 'tap'
import type { Page } from 'playwright-core'
import { wordFor } from '../../examples/shop/errors.ts'
import { createOrders } from '../../examples/shop/orders.ts'
import type { Orders } from '../../examples/shop/orders.ts'
import { createShop } from '../../examples/shop/shop.ts'
import { WechatApiError, WechatNetworkError } from '../../src/errors.ts'
import { testEmulator } from '../helpers/account.ts'
import { checkScreen, skip, startBrowser } from '../helpers/browser.ts'
import { freePort } from '../helpers/redis.ts'

type Tap = Parameters<typeof testEmulator>[0] & Parameters<typeof checkScreen>[0]

/** `signing`: RSA is APIv3's. */
async function openShop (t: Tap, signing: 'MD5' | 'HMAC-SHA256' | 'RSA' = 'HMAC-SHA256', orders?: Orders) {
  const emulator = await testEmulator(t, { timeScale: 0.02 })
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const { merchant, ...account } = emulator.bothConfig
  const version = signing === 'RSA' ? 'v3' : 'v2'
  const shop = await createShop({
    account: { ...account, version, merchant: { ...merchant, notifyUrl: `${origin}/wechat/notify`, v2: { ...merchant.v2, ...(signing !== 'RSA' && { signType: signing }) } } },
    origin,
    bridge: `${emulator.origin}/_emulator/bridge.js`,
    ...(orders && { orders })
  })
  await shop.app.listen({ port, host: 'localhost' })
  t.teardown(() => shop.app.close())
  return { emulator, origin, ...shop }
}

const cashier = (page: Page) => page.frameLocator('iframe[title="WeChat Pay"]')
const consoleOf = (page: Page) => {
  const lines: string[] = []
  page.on('console', message => lines.push(message.text()))
  return lines
}
const status = async (page: Page) => (await page.locator('#status').textContent()) ?? ''

async function logIn (t: Tap, page: Page, origin: string, language = 'zh') {
  await page.goto(`${origin}/?lang=${language}`)
  await checkScreen(t, page, `1-product-${language}`)
  await page.click('#login')
  await checkScreen(t, page, '2-consent')
  await page.click('#allow')
  await page.waitForSelector('#buy')
}

t.test('in a browser', { skip }, async t => {
  const { visitor } = await startBrowser(t)

  t.test('the order page shows paid when the notification has arrived', async t => {
    for (const [language, signing] of [['zh', 'MD5'], ['en', 'RSA']] as const) {
      const { origin, orders, emulator } = await openShop(t, signing)
      const page = await visitor()
      await logIn(t, page, origin, language)
      await page.waitForSelector('#status[data-state=ready]')
      await checkScreen(t, page, `3-ready-${language}`)
      await page.click('#buy')
      await cashier(page).locator('#pay').waitFor()
      await checkScreen(t, page, '4-cashier')
      t.equal(await cashier(page).locator('#amount').textContent(), '¥68.00')
      await cashier(page).locator('#pay').click()
      await page.waitForSelector('#outcome[data-state=paid]')
      await checkScreen(t, page, `5-paid-${language}`)
      const [order] = (await emulator.app.inject('/_emulator/orders')).json()
      t.match(await orders.find(order.out_trade_no), { handled: 1, amount: 6800, paid: { transactionId: order.transaction_id } })
      t.match(await page.textContent('#outcome'), new RegExp(order.transaction_id))
      t.match(await page.textContent('#outcome'), language === 'en' ? /Pour-over coffee/ : /手冲咖啡豆/)
      t.equal(order.body, await page.textContent('.rows div span:last-child'), 'WeChat is told the name in the buyer\'s language')
    }
  })

  t.test('the page\'s ok is not trusted: without a notification, the order page waits', async t => {
    const { origin, emulator, app } = await openShop(t)
    const page = await visitor()
    let open = false
    app.server.prependListener('request', request => { if (request.url === '/wechat/notify' && !open) request.destroy() })
    await logIn(t, page, origin)
    await page.waitForSelector('#status[data-state=ready]')
    await page.click('#buy')
    await cashier(page).locator('#pay').click()
    await page.waitForSelector('#outcome[data-state=waiting]')
    await emulator.waitForNotification(delivery => !delivery.accepted)
    t.ok(await page.isVisible('#outcome[data-state=waiting]'))
    await checkScreen(t, page, '6-waiting')
    open = true
    await page.waitForSelector('#outcome[data-state=paid]')
  })

  t.test('a cancelled payment can be tried again', async t => {
    const { origin, emulator } = await openShop(t)
    const page = await visitor()
    await logIn(t, page, origin)
    await page.waitForSelector('#status[data-state=ready]')
    await page.click('#buy')
    await cashier(page).locator('#cancel').click()
    await page.waitForSelector('#outcome[data-state=cancelled]')
    await page.waitForSelector('#pay-order:enabled')
    await checkScreen(t, page, '7-cancelled')
    t.match((await emulator.app.inject('/_emulator/orders')).json(), [{ trade_state: 'NOTPAY', history: [{ what: 'placed' }, { what: /cancelled/ }] }])
    await page.click('#pay-order')
    await cashier(page).locator('#pay').click()
    await page.waitForSelector('#outcome[data-state=paid]')
    const all = (await emulator.app.inject('/_emulator/orders')).json()
    t.match(all, [{ trade_state: 'SUCCESS' }], 'the same order')
    t.equal(all.length, 1)
  })

  t.test('after a while, the buyer can check again, which queries WeChat', async t => {
    const { origin, app, orders, emulator } = await openShop(t)
    const page = await visitor('en-GB')
    app.server.prependListener('request', request => { if (request.url === '/wechat/notify') request.destroy() })
    await logIn(t, page, origin, 'en')
    await page.waitForSelector('#status[data-state=ready]')
    await page.clock.install()
    await page.click('#buy')
    await cashier(page).locator('#pay').click()
    await page.waitForSelector('#outcome[data-state=waiting]')
    await page.clock.fastForward(31_000)
    await page.waitForSelector('#outcome[data-state=late]')
    await checkScreen(t, page, '6-late')
    await page.click('#check')
    await page.waitForSelector('#outcome[data-state=paid]')
    const [{ out_trade_no: number }] = (await emulator.app.inject('/_emulator/orders')).json()
    t.match(await orders.find(number), { handled: 1 })
  })

  t.test('an expired order cannot be paid; its page offers a new one, and to check again', async t => {
    const { origin, orders } = await openShop(t, 'MD5', await createOrders(':memory:', () => Date.now() - 31 * 60_000))
    const page = await visitor('en-GB')
    await logIn(t, page, origin, 'en')
    await page.waitForSelector('#status[data-state=ready]')
    await page.click('#buy')
    await page.waitForSelector('#status[data-state=failed]')
    t.equal(await status(page), 'This order has expired. Please place a new one.')
    const { value: expired } = await orders.unfinished().next()
    await page.goto(`${origin}/orders/${expired?.outTradeNo}`)
    await page.waitForSelector('#outcome[data-state=expired]')
    await page.click('#check')
    await page.waitForSelector('text=No payment was found for this order.')
    await checkScreen(t, page, '6-expired')
    await page.click('text=Order again')
    await page.waitForSelector('#status[data-state=ready]')
  })

  t.test('error pages are in the chosen language', async t => {
    const { origin } = await openShop(t)
    const page = await visitor('zh-CN')
    await page.goto(`${origin}/?lang=en`)
    t.match(await page.textContent('main'), /Pour-over coffee beans/)
    for (const [path, state, words, code] of [['/nothing', 'notFound', /Page not found/, 404], ['/orders/S0000000000', 'noOrder', /Order not found/, 404], [`/wechat/oauth/callback?state=${'0'.repeat(32)}&code=${'0'.repeat(32)}`, 'staleLogin', /expired/, 403]] as const) {
      const reply = await page.goto(origin + path)
      t.equal(reply?.status(), code)
      await page.waitForSelector(`#outcome[data-state=${state}]`)
      t.match(await page.textContent('main'), words)
      await checkScreen(t, page, `11-${state}`)
    }
    await page.goto(origin)
    await page.click('#login')
    await page.getByText('微信用户').click()
    await page.click('#allow')
    await page.waitForSelector('#outcome[data-state=snapshot]')
    t.match(await page.textContent('main'), /使用完整服务/)
    await checkScreen(t, page, '11-snapshot')
  })

  t.test('wx.config with a wrong signature is refused', async t => {
    const { origin } = await openShop(t)
    const page = await visitor()
    const lines = consoleOf(page)
    await page.route('**/wechat/jssdk*', async route => {
      const reply = await route.fetch()
      await route.fulfill({ json: { ...await reply.json(), signature: '0'.repeat(40) } })
    })
    await logIn(t, page, origin)
    await page.waitForSelector('#status[data-state=failed]')
    t.equal(await status(page), '暂时无法支付，请再试一次')
    t.match(lines.join(), /config:invalid signature/, 'for the developer, in the console')
    await checkScreen(t, page, '8-config-refused')
  })

  t.test('a payment with a wrong paySign is refused', async t => {
    const { origin, emulator } = await openShop(t)
    const page = await visitor()
    const lines = consoleOf(page)
    await page.route('**/wechat/pay', async route => {
      const reply = await route.fetch()
      await route.fulfill({ json: { ...await reply.json(), paySign: '0'.repeat(64) } })
    })
    await logIn(t, page, origin)
    await page.waitForSelector('#status[data-state=ready]')
    await page.click('#buy')
    await page.waitForSelector('#status[data-state=failed]')
    t.equal(await status(page), '暂时无法支付，请再试一次')
    t.match(lines.join(), /chooseWXPay:fail/)
    t.equal(await page.textContent('[role=alert]'), '支付验证签名失败')
    await checkScreen(t, page, '9-paysign-refused')
    t.match((await emulator.app.inject('/_emulator/orders')).json(), [{ trade_state: 'NOTPAY' }])
  })

  t.test('the visitor declines the login', async t => {
    const { origin } = await openShop(t)
    const page = await visitor('en-US')
    await page.goto(origin)
    await page.click('#login')
    await page.click('#refuse')
    await page.waitForSelector('#outcome[data-state=refused]')
    t.match(await page.textContent('#outcome'), /Login declined/)
    await checkScreen(t, page, '10-login-refused')
    await page.getByRole('link', { name: 'Try again' }).click()
    await page.waitForSelector('#allow')
  })
})

t.test('requests that the shop refuses', async t => {
  const { app } = await openShop(t)
  t.match(await app.inject({ method: 'POST', url: '/orders' }), { statusCode: 401 })
  t.match(await app.inject('/orders/S0000000000'), { statusCode: 404 })
  t.match(await app.inject('/orders/S0000000000/state'), { statusCode: 404 })
  t.match(await app.inject({ method: 'POST', url: '/wechat/pay' }), { statusCode: 404 })
  const redirect = await app.inject('/wechat/oauth/authorize')
  const { pathname, search } = new URL(String((await fetch(String(redirect.headers.location), { redirect: 'manual' })).headers.get('location')))
  t.match(await app.inject({ url: pathname + search, cookies: Object.fromEntries(redirect.cookies.map(({ name, value }) => [name, value])) }), { statusCode: 302 }, 'a login without a name')
  t.match(await app.inject({ method: 'POST', url: '/wechat/pay', payload: { outTradeNo: 'S0000000000' } }), { statusCode: 404, body: /找不到这个订单/ })
  t.match((await app.inject('/')).body, /微信登录后购买/)
  t.match((await app.inject({ url: '/', cookies: { shop_language: 'en' } })).body, /Log in with WeChat/, 'the language is kept')
  for (const [error, word] of [[new WechatApiError('x', { wechatCode: 'ORDERPAID' }), 'alreadyPaid'], [new WechatNetworkError('x', 'ECONNRESET', 'unknown'), 'unknown'], [new WechatNetworkError('x', 'ECONNREFUSED', 'not_sent'), 'busy'], [new WechatApiError('x', { wechatCode: 'NOAUTH' }), 'ours'], [new Error('secret'), 'ours']] as const) t.equal(wordFor(error), word)
  t.match((await app.inject({ url: '/', headers: { 'accept-language': 'en-GB,en' } })).body, /Log in with WeChat/)
})
