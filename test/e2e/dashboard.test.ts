/** The dashboard in Chromium: orders, calls with explanations, notifications, faults, live updates. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import { createPay } from '../../src/index.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { checkScreen, skip, startBrowser } from '../helpers/browser.ts'
import { freePort } from '../helpers/redis.ts'

/** Ends with the test's timeout if the condition is never true. */
async function until (holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!await holds()) await new Promise(resolve => setTimeout(resolve, 20))
}

t.test('in a browser', { skip }, async t => {
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
  await page.locator('#orders').getByText('No orders yet').waitFor()
  t.match(await page.textContent('#orders'), new RegExp(`AppSecret ${emulator.account.appSecret}.*mchId ${emulator.account.mchId}.*npx wechat-emulator exec -- npm start.*HTTPS_PROXY=${emulator.origin}.*bridge\\.js`), 'the getting-started guide')
  await checkScreen(t, page, 'dashboard-guide')

  await order('DASH-001')
  const card = page.locator('#orders article')
  await card.waitFor()
  t.match(await card.textContent(), /¥68\.00<img src=x onerror=alert\(1\)>unpaidDASH-001Copy · JSAPI · APIv3placed/, 'updated live, and inserted as text')
  await card.getByRole('button', { name: 'Pay' }).click()
  await card.getByText('notified (payment)').waitFor()
  t.same(paid, ['DASH-001'])
  await checkScreen(t, page, 'dashboard-orders')
  await card.locator('summary').click()
  await card.getByLabel('Amount (fen)').fill('800')
  await card.getByRole('button', { name: 'Refund', exact: true }).click()
  await card.getByText('refunded ¥8.00').waitFor()
  await card.locator('.badge.odd').getByText('partly refunded').waitFor()
  await checkScreen(t, page, 'dashboard-partly-refunded')
  await card.getByRole('button', { name: 'Refund ¥60.00' }).click()
  await card.getByText('refunded ¥60.00').waitFor()
  await card.locator('.badge').getByText('refunded', { exact: true }).waitFor()
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await card.getByRole('button', { name: 'Copy: DASH-001' }).click()
  t.equal(await page.evaluate('navigator.clipboard.readText()'), 'DASH-001')
  await order('DASH-002')
  await page.locator('#orders article').nth(1).waitFor()
  await page.locator('#orders article').first().getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('cancelled at the cashier').waitFor()

  // A wrong signature.
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
  t.ok(await page.locator('#calls details').nth(1).getAttribute('open') !== null, 'open details stay open')
  await checkScreen(t, page, 'dashboard-calls')

  await page.getByRole('tab', { name: /Notifications/ }).click()
  const cards = page.locator('#notifications article')
  await cards.first().waitFor()
  const before = await cards.count()
  await cards.last().getByRole('button', { name: 'Send again' }).click()
  await cards.nth(before).waitFor()
  await until(() => emulator.notifications().at(-1)?.accepted === true)
  t.same(paid, ['DASH-001'], 'sent again, handled once')

  await page.getByRole('tab', { name: /Faults/ }).click()
  const fault = page.getByRole('switch', { name: /^502/ })
  await fault.click()
  await page.locator('[data-kind="502"][aria-checked=true]').waitFor()
  t.match(await emulator.app.inject('/cgi-bin/token'), { statusCode: 502 })
  await page.locator('#active-faults').getByText('calls: 502, always').waitFor()
  await page.getByLabel('Which calls').selectOption('/v3')
  // The page removes the old fault before it adds the new one.
  await until(async () => (await emulator.app.inject('/_emulator/faults')).json().faults[0]?.path === '/v3')
  await t.resolves(emulator.app.inject('/cgi-bin/token').then(reply => { if (reply.statusCode !== 200) throw new Error('met') }))
  await fault.click()
  await page.locator('[data-kind="502"][aria-checked=false]').waitFor()
  await page.getByRole('switch', { name: /^drop/ }).click()
  await page.locator('[data-kind=drop][aria-checked=true]').waitFor()
  t.match((await emulator.app.inject('/_emulator/faults')).json(), { faults: [], notificationFaults: [{ kind: 'drop' }] })
  await page.locator('[data-form=randomFaults]').getByRole('button').click()
  await page.locator('#active-faults').getByText('Random faults').waitFor()
  t.match((await emulator.app.inject('/_emulator/faults')).json(), { chaos: { calls: { reset: 0.025 }, notifications: { drop: 0.05 } } })
  await checkScreen(t, page, 'dashboard-faults')

  // Shown on every tab; arrow keys change the tab.
  await page.getByRole('tab', { name: /Faults/ }).press('ArrowRight')
  await page.locator('#tools').waitFor()
  t.equal(await page.evaluate('document.activeElement.id'), 'tab-tools')
  await page.locator('#active-faults').getByRole('button', { name: 'All off' }).click()
  await page.locator('#active-faults').waitFor({ state: 'hidden' })
  t.match((await emulator.app.inject('/_emulator/faults')).json(), { faults: [], notificationFaults: [], chaos: { calls: {}, notifications: {} } })
  await page.getByRole('button', { name: 'Expire access_token' }).click()
  await page.locator('#toast').getByText('Done').waitFor()
  await page.locator('[data-form=paymentCode]').getByRole('button').click()
  await page.locator('[data-form=paymentCode] output').getByText(/^1\d{17}$/).waitFor()
  await page.locator('[data-form=keyMode] [name=mode]').selectOption('both')
  await page.locator('[data-form=keyMode]').getByRole('button').click()
  await until(async () => (await emulator.app.inject('/_emulator/state?brief=true')).json().keyMode === 'both')
  await checkScreen(t, page, 'dashboard-tools')

  // Links between an order, its calls and its notifications.
  await page.goto(`${emulator.origin}/_emulator/dashboard#orders/DASH-001`)
  await until(async () => await page.locator('#orders article').count() === 1)
  await page.locator('#orders article').getByRole('link', { name: 'Notifications' }).click()
  await page.locator('#notifications article').first().waitFor()
  t.equal(await page.inputValue('#search'), 'DASH-001')
  await page.locator('#notifications article').first().getByRole('link', { name: 'API calls' }).click()
  await page.locator('#calls article').first().getByRole('link', { name: 'Order' }).click()
  await page.locator('#orders article').getByText('DASH-001').waitFor()

  await app.close()
  await emulator.fault({ kind: 'slow', ms: 1, path: '/never' })
  await emulator.clearFaults()
  await page.getByRole('tab', { name: /Notifications/ }).click()
  await page.locator('#notifications article').first().getByRole('button', { name: 'Send again' }).click()
  await page.locator('#notifications .badge.bad').first().waitFor()
  t.match(await page.locator('#notifications article').first().textContent(), /failed.*nothing listens at notify_url/)
  await page.locator('#state').selectOption('failed')
  await until(async () => await page.locator('#notifications article').count() === await page.locator('#notifications .badge.bad').count())
  await checkScreen(t, page, 'dashboard-notifications')

  await page.getByRole('tab', { name: /Faults/ }).click()
  await page.click('#language')
  t.match(await page.textContent('#tabs'), /订单.*接口调用.*通知.*转账.*分账.*投诉.*消息.*故障.*工具/)
  t.match(await page.textContent('#accounts'), /默认账号/)
  await checkScreen(t, page, 'dashboard-zh')
  await page.reload()
  t.match(await page.textContent('h1'), /微信模拟器/, 'remembered')
  await page.selectOption('#accounts', 'second')
  await page.waitForURL('**/second/_emulator/dashboard#faults')
  await page.locator('#account').getByText(emulator.named('second').account.appId).waitFor()
  t.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'fits a phone')

  const wide = await visitor()
  await wide.setViewportSize({ width: 1280, height: 800 })
  await wide.emulateMedia({ colorScheme: 'dark' })
  await wide.goto(`${emulator.origin}/_emulator/dashboard#calls`)
  t.match(await wide.textContent('h1'), /微信模拟器/, 'in the browser\'s language')
  t.equal(await wide.evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(17, 19, 21)')
  await wide.locator('#calls details').first().waitFor()
  await checkScreen(t, wide, 'dashboard-dark')
  t.same(problems, [])

  await emulator.close()
  await wide.locator('#lost').waitFor()
  t.match(await wide.textContent('#lost'), /连接已断开/)
  t.equal(await wide.locator('#panels').getAttribute('inert'), '')
  t.match(await wide.title(), /^⚠/)
  await checkScreen(t, wide, 'dashboard-lost')
})

/** Names that are not translated. */
const NAMES = /\b(?:API|APIv3|appId|mchId|access_token|ticket|token|notify_url|out_trade_no|out_detail_no|openid|OpenAPI|ID|CA|v2|ca\.pem|go|data|HTTP|SUCCESS|return_code|SYSTEMERROR|HTML|JSAPI|Node|php|python3|run|java|refund|scan|tail|pay)\b/g

t.test('everything is translated', { skip, timeout: 110_000 }, async t => {
  const { visitor } = await startBrowser(t)
  const emulator = await testEmulator(t)
  const pay = createPay({ ...emulator.bothConfig, merchant: { ...emulator.bothConfig.merchant, notifyUrl: 'http://127.0.0.1:1/notify' } })
  const page = await visitor('zh-CN')
  const problems: string[] = []
  page.on('pageerror', error => problems.push(error.message))
  /** English text outside `translate="no"`. */
  const untranslated = async () => (await page.evaluate(`(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const texts = []
    while (walker.nextNode()) if (!walker.currentNode.parentElement.closest('[translate=no],[hidden],script')) texts.push(walker.currentNode.data)
    for (const node of document.querySelectorAll('[placeholder],[aria-label]')) if (!node.closest('[hidden]')) texts.push(node.placeholder ?? '', (node.ariaLabel ?? '').replace(/：.*|: .*/, ''))
    return texts
  })()`) as string[]).filter(text => /[a-z]{2}/i.test(text.replace(NAMES, '')))
  await page.goto(`${emulator.origin}/_emulator/dashboard`)
  await page.locator('#orders').getByText('还没有订单').waitFor()
  await page.locator('#orders .facts').nth(1).waitFor()
  t.same(await untranslated(), [], 'the guide')
  for (const number of ['ZH-0001', 'ZH-0002', 'ZH-0003']) await pay.jsapi({ outTradeNo: number, description: 'Tea', amount: 100, openid: OPENID })
  await emulator.pay('ZH-0001')
  await emulator.cancel('ZH-0002')
  await emulator.fault({ kind: '502', when: 'after', path: '/never' })
  await emulator.waitForNotification(({ reply, error }) => reply !== null || error !== null)
  for (const name of ['orders', 'calls', 'notifications', 'transfers', 'messages', 'faults', 'tools']) {
    await page.locator(`#tab-${name}`).click()
    await page.locator(`#${name}`).locator('article, .card, .empty').first().waitFor()
    for (const summary of await page.locator(`#${name} article > details > summary`).all()) await summary.click()
    await until(async () => await page.locator(`#${name} details[open] > .inside:empty`).count() === 0)
    t.same(await untranslated(), [], name)
    await checkScreen(t, page, `dashboard-zh-${name}`)
  }
  t.same(problems, [])

  for (const [table, words] of Object.entries(await import('../../plugins/emulator/control/static/words.js' as string) as Record<string, object>)) {
    if (typeof words === 'function') continue
    for (const [key, pair] of Object.entries(words)) {
      const [english, chinese] = Array.isArray(words) ? pair.slice(1) : pair
      t.ok(english && chinese, `${table}.${key}`)
      if (!/^[\w, ]+$/.test(chinese) || english !== chinese) t.match(chinese, /[\u4e00-\u9fff]|English/, `${table}.${key} in Chinese`)
    }
  }
})

t.test('the dashboard translates every event of an order, and has every control', t => {
  const sources = (dir: string): string => readdirSync(new URL(`../../plugins/emulator/${dir}`, import.meta.url), { recursive: true, encoding: 'utf8' }).filter(name => /\.(?:ts|js)$/.test(name)).map(name => readFileSync(new URL(`../../plugins/emulator/${dir}/${name}`, import.meta.url), 'utf8')).join('\n')
  const words = readFileSync(new URL('../../plugins/emulator/control/static/words.js', import.meta.url), 'utf8')
  const events = [...sources('wechat').matchAll(/note\(order, (?:[^'`)]* )?'([^']+)'(?: : '([^']+)')?/g)].flatMap(([, one, other]) => [one, other]).filter(text => text !== undefined)
  t.ok(events.length > 5)
  for (const text of events) t.match(words, text, text)
  const scripts = sources('control/static')
  const { paths } = JSON.parse(readFileSync(new URL('../../plugins/emulator/control/static/openapi.json', import.meta.url), 'utf8')) as { paths: Record<string, object> }
  for (const [path, methods] of Object.entries(paths)) {
    if (!('post' in methods || 'delete' in methods)) continue
    const [first, ...rest] = path.replace('/_emulator/', '').split(/\{\w+\}/)
    const last = rest.at(-1)?.replace('/', '')
    t.ok(scripts.includes(first as string) && (last === undefined || new RegExp(`/${last}\\b|'${last}'`).test(scripts)), path)
  }
  t.end()
})

const TRANSFER = { out_bill_no: 'BILL-0001', transfer_bill_no: '1330001', sub_mch_id: '', kind: 'balance', appid: 'wx00000000000000aa', openid: OPENID, user_name: '', user_qq: '', amount: 1234, remark: '新会员奖励', notify_url: '', state: 'WAIT_USER_CONFIRM', fail_reason: '', package_info: 'x', at: '20261127100000', updated: '20261127100000', authorization: '' }

/** Rows of each area, as in a --data folder. */
const TABLES = {
  profitShares: { out_order_no: 'SHARE-001', order_id: '3000001', sub_mch_id: '', transaction_id: '4200001', receivers: [], description: '分给门店', unfreeze: true, state: 'FINISHED', created: '20261127100000', finished: '20261127100100', notify_url: '' },
  complaints: { complaint_id: '200201820200101080076610001', at: '2026-11-27T02:00:00.000Z', detail: '<b>没有收到货</b>', state: 'PENDING', transaction_id: '4200002', out_trade_no: 'COMPLAINED', mchid: '1900000109', amount: 500, openid: OPENID, phone: '', problem_type: 'OTHERS', apply_refund_amount: 0, times: 1, waiting: true, images: [], history: [{ log_id: '1', operator: '用户', at: '2026-11-27T02:00:00.000Z', type: 'USER_CREATE_COMPLAINT', details: '用户提交投诉', images: [] }] },
  serviceOrders: { out_order_no: 'SERVICE-1', order_id: '15646', service_id: '1', service_introduction: '充电宝', openid: OPENID, state: 'DOING', description: 'USER_CONFIRM', payments: [], discounts: [], total_amount: 300, collection: 'none', paid_type: 'NEWTON', paid_time: '', transaction_id: '', time_range: {}, attach: '', notify_url: '', package: '', reason: '' }
}

t.test('search and pages in every area, in both languages, on a phone', { skip }, async t => {
  const { visitor } = await startBrowser(t)
  const data = join(t.testdir({}), 'kept')
  const first = await createEmulator({ data })
  const app = Fastify()
  await app.register(wechatPay, { ...first.config, version: 'v2', merchant: { ...first.config.merchant, notifyUrl: 'http://127.0.0.1:1/notify' } })
  for (let at = 1; at <= 120; at++) await app.wechatPay.jsapi({ outTradeNo: `MANY-${String(at).padStart(3, '0')}`, description: at === 7 ? 'Rare tea' : 'Tea', amount: at, openid: OPENID })
  await app.close()
  await first.close()
  const file = join(data, 'state.json')
  const state = JSON.parse(readFileSync(file, 'utf8'))
  for (const [name, row] of Object.entries({ ...TABLES, transfers: TRANSFER })) state.accounts[''].memory.tables[name] = [[Object.values(row)[0], row]]
  state.accounts[''].memory.lists.messages = [{ id: '7001', at: '2026-11-27T02:00:00.000Z', kind: 'template', openid: OPENID, template_id: 'ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY', content: { data: { first: { value: '订单已发货' } } } }]
  writeFileSync(file, JSON.stringify(state))
  const emulator = await createEmulator({ data, timeScale: 0.001 })
  t.teardown(emulator.close)

  const records = async (query: string) => (await emulator.app.inject(`/_emulator/records/${query}`)).json<{ total: number, page: number, pages: number, items: Array<Record<string, unknown>> }>()
  t.match(await records('orders'), { total: 120, page: 1, pages: 3, items: { length: 50, 0: { out_trade_no: 'MANY-120', deliveries: [], refunds: [] } } })
  t.match(await records('orders?page=3'), { items: { length: 20, 19: { out_trade_no: 'MANY-001' } } })
  t.match(await records('orders?page=99'), { page: 3 })
  t.match(await records('orders?search=rare%20TEA'), { total: 1, items: [{ out_trade_no: 'MANY-007' }] })
  t.match(await records('transfers'), { items: [{ table: 'transfers', number: 'BILL-0001', amount: 1234, at: '2026-11-27T02:00:00.000Z' }] })
  t.match(await records('nothing'), { code: 'PARAM_ERROR', message: /allowed values: orders, transfers, sharing, services, mini-program, complaints, messages, notifications, calls/ })
  t.match((await emulator.app.inject('/_emulator/state?brief=true')).json(), { counts: { orders: 120, transfers: 1, sharing: 1, services: 1, complaints: 1, messages: 1, notifications: 0, calls: 0 } })

  const page = await visitor('en-GB')
  const problems: string[] = []
  page.on('pageerror', error => problems.push(error.message))
  await page.goto(`${emulator.origin}/_emulator/dashboard`)
  const cards = page.locator('#orders article')
  await cards.getByText('MANY-120').waitFor()
  t.equal(await cards.count(), 50)
  t.match(await page.textContent('#place'), '1 / 3 · 120')
  await page.getByRole('button', { name: 'Older' }).click()
  await cards.getByText('MANY-070').waitFor()
  await page.fill('#search', 'many-007')
  await cards.getByText('MANY-007').waitFor()
  await until(async () => await cards.count() === 1)
  t.ok(await page.isHidden('#pager'))
  t.match(page.url(), /#orders\/many-007$/)
  await page.reload()
  await until(async () => await cards.count() === 1)
  t.equal(await page.inputValue('#search'), 'many-007', 'each search has its own URL')
  await page.fill('#search', 'no such thing')
  await page.getByText('Nothing found.').waitFor()

  for (const [name, area, shown] of [['Transfers', 'transfers', /¥12\.34新会员奖励waiting for the receiver/], ['Profit sharing', 'sharing', /分给门店finished/], ['Services', 'services', /¥3\.00充电宝in progress/], ['Complaints', 'complaints', /¥5\.00<b>没有收到货<\/b>not yet handled.*COMPLAINED.*USER_CREATE_COMPLAINT 用户提交投诉/], ['Messages', 'messages', /template message/]] as const) {
    await page.getByRole('tab', { name }).click()
    const card = page.locator(`#${area} article`)
    await card.waitFor()
    t.match(await card.textContent(), shown, name)
    await card.locator('summary').click()
    await card.locator('pre').waitFor()
    t.match(await card.locator('pre').textContent(), /openid|order_id/)
    await page.fill('#search', 'nowhere')
    await page.locator(`#${area}`).getByText('Nothing found.').waitFor()
    t.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, `${name} fits a phone`)
  }
  await page.fill('#search', '订单已发货')
  await page.locator('#messages article').waitFor()
  await page.click('#language')
  await page.getByRole('tab', { name: '投诉' }).click()
  await page.locator('#complaints').getByText('待处理').waitFor()
  await checkScreen(t, page, 'dashboard-complaints')
  await page.getByRole('tab', { name: '转账' }).click()
  await page.getByRole('button', { name: '确认收款' }).click()
  await page.locator('#transfers').getByText('成功').waitFor()
  t.same(problems, [])
  // Before the test removes its folder.
  await emulator.close()
})
