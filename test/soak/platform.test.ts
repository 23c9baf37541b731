/** examples/platform in a browser: shops are added and removed while it runs. */
import t from 'tap'
import { createPlatform } from '../../examples/platform/platform.ts'
import { createRecords } from '../../examples/platform/records.ts'
import { testEmulator } from '../helpers/account.ts'
import { skip, startBrowser } from '../helpers/browser.ts'
import { freePort } from '../helpers/redis.ts'

const KEY = 'an-admin-key-for-tests-0123456789'

t.test('two shops are added, used, changed and removed', { skip }, async t => {
  const emulator = await testEmulator(t, { timeScale: 0.02, accounts: [{ name: 'tea' }, { name: 'coffee' }] })
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const records = await createRecords()
  const app = await createPlatform({ records, origin, adminKey: KEY, sessionSecret: 's'.repeat(32), bridge: shop => `${emulator.origin}/${shop}/_emulator/bridge.js` })
  await app.listen({ port, host: 'localhost' })
  t.teardown(() => app.close())
  const manage = (method: 'PUT' | 'DELETE' | 'GET', id: string, payload?: object, key = KEY) =>
    app.inject({ method, url: `/admin/shops/${id}`, headers: { authorization: `Bearer ${key}` }, ...(payload && { payload }) })

  t.equal((await app.inject('/s/tea')).statusCode, 404, 'no shop yet')
  t.equal((await app.inject('/s/tea/wechat/jssdk?url=x')).statusCode, 404)
  t.equal((await manage('PUT', 'tea', { name: 'x', price: 1, wechat: {} }, 'wrong')).statusCode, 404)
  for (const [id, price] of [['tea', 3200], ['coffee', 6800]] as const) {
    t.equal((await manage('PUT', id, { name: id, price, wechat: emulator.named(id).config })).statusCode, 204)
  }

  const { visitor } = await startBrowser(t)
  const page = await visitor()
  async function buy (id: string): Promise<string> {
    await page.goto(`${origin}/s/${id}`)
    // snsapi_base does not ask for consent.
    if (await page.locator('#login').count() > 0) await page.click('#login')
    await page.waitForSelector('#status[data-state=ready]', { state: 'attached' })
    await page.click('#buy')
    const cashier = page.frameLocator('iframe[title="WeChat Pay"]')
    const amount = await cashier.locator('#amount').textContent()
    await cashier.locator('#pay').click()
    await page.waitForSelector('#outcome[data-state=paid]')
    return String(amount)
  }
  t.equal(await buy('tea'), '¥32.00')
  t.equal(await buy('coffee'), '¥68.00')
  for (const id of ['tea', 'coffee']) t.match(emulator.named(id).notifications().filter(({ accepted }) => accepted), { length: 1 }, `${id}: one accepted notification`)
  t.match((await manage('GET', '')).json(), { kept: 2 })

  await manage('PUT', 'tea', { name: 'tea', price: 3300, wechat: emulator.named('tea').config })
  t.equal(await buy('tea'), '¥33.00', 'changed')
  await manage('DELETE', 'tea')
  t.equal((await app.inject('/s/tea/wechat/oauth/authorize')).statusCode, 404, 'removed')
  t.equal(await buy('coffee'), '¥68.00', 'the other shop is not affected')
})

t.test('a shop authorizes the platform, a visitor logs in and buys, the owner withdraws', { skip, timeout: 110_000 }, async t => {
  const emulator = await testEmulator(t, { timeScale: 0.02, accounts: [{ name: 'tea' }, { name: 'coffee' }], component: true })
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const records = await createRecords()
  const app = await createPlatform({ records, origin, adminKey: KEY, sessionSecret: 's'.repeat(32), bridge: shop => `${emulator.origin}/${shop}/_emulator/bridge.js`, ...(emulator.openPlatformConfig && { component: emulator.openPlatformConfig }) })
  await app.listen({ port, host: 'localhost' })
  t.teardown(() => app.close())
  const { appSecret: _kept, ...wechat } = emulator.named('coffee').config
  const { appId } = wechat
  t.equal((await app.inject({ method: 'PUT', url: '/admin/shops/coffee', headers: { authorization: `Bearer ${KEY}` }, payload: { name: 'coffee', price: 6800, wechat } })).statusCode, 204)
  // At this timeScale, a new ticket arrives every twelve seconds.
  await emulator.setComponentUrl(`${origin}/wechat/open-platform/events`)
  await emulator.waitForNotification(({ info_type: type, accepted }) => type === 'component_verify_ticket' && accepted)
  t.equal((await app.inject('/s/coffee/wechat/jssdk?url=http://localhost/')).statusCode, 403, 'not authorized yet')

  const { visitor } = await startBrowser(t)
  const page = await visitor()
  await page.goto(`${origin}/s/coffee`)
  // By navigation: WeChat checks the referrer.
  await page.evaluate('location.assign("/wechat/open-platform/authorize?device=phone&returnTo=/s/coffee")')
  await page.waitForSelector('#allow')
  await page.check(`input[value="${appId}"]`)
  await page.click('#allow')
  await page.waitForSelector('#login')
  t.match(await records.refreshTokenOf(appId), /^refreshtoken@@@/)

  await page.click('#login')
  await page.waitForSelector('#status[data-state=ready]', { state: 'attached' })
  await page.click('#buy')
  await page.frameLocator('iframe[title="WeChat Pay"]').locator('#pay').click()
  await page.waitForSelector('#outcome[data-state=paid]')

  await emulator.unauthorize(appId)
  await emulator.waitForNotification(({ info_type: type, accepted }) => type === 'unauthorized' && accepted)
  t.equal(await records.refreshTokenOf(appId), undefined)
  await page.goto(`${origin}/s/coffee`)
  await page.waitForSelector('#status[data-state=failed]')
  t.match(await page.textContent('#status'), /has withdrawn/)
})
