/** Multiple accounts behind the routes of all plugins: looked up, never mixed, and isolated from each other's failures. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { setTimeout as sleep } from 'node:timers/promises'
import rateLimit from '@fastify/rate-limit'
import Fastify from 'fastify'
import t from 'tap'
import { testNotifications } from '../../plugins/emulator/server/emulator.ts'
import { wechatPay, notify, jssdk, oauth } from '../../plugins/wechat-pay.ts'
import type { WechatAccountOptions } from '../../plugins/wechat-pay.ts'
import { signJssdk } from '../../src/index.ts'
import { ACCOUNT, OPENID, testEmulator } from '../helpers/account.ts'
import { fakeServer } from '../helpers/fake-server.ts'

declare module '../../plugins/namespaces.ts' {
  interface WechatAccountOptions { shopName?: string }
}

const { appId, appSecret } = ACCOUNT
const V2 = 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6'
const V3 = 'z9Y8x7W6v5U4t3S2r1Q0p9O8n7M6l5K4'

/** Ids that differ only in case, need escaping, or are a prefix of another. */
const IDS = ['shop', 'Shop', 'shop/1', 'shop%2F1', 'café ☕', 'a:b', 'shop;x=1', 'x?y#z']
const path = (id: string, rest: string) => `/wechat/${encodeURIComponent(id)}${rest}`

/** An emulator with an account per id, and a server that looks them up. */
async function platform (t: Parameters<typeof testEmulator>[0], more: object = {}) {
  const emulator = await testEmulator(t, { accounts: IDS.map((_id, at) => ({ name: `n${at}`, domains: [`n${at}.test`] })) })
  const log: string[] = []
  const lookups: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { log.push(line) } } } })
  t.teardown(() => app.close())
  const rows = new Map<string, WechatAccountOptions>()
  const happened: string[] = []
  await app.register(wechatPay, {
    prefix: '/wechat/:account',
    accounts: { find: async id => { lookups.push(id); return rows.get(id) } },
    onLogin: (user, request) => { happened.push(`login ${user.openid} ${request.wechatAccount.id}`) },
    order: request => ({ outTradeNo: 'SAME123456', description: request.wechatAccount.options.shopName ?? '', amount: 100, openid: OPENID }),
    expected: (_number, { account }) => ({ amount: account.id === 'Shop' ? 999 : 100 }),
    onPayment: (payment, { account, request }) => { happened.push(`${payment.outTradeNo} ${payment.mchId} ${account.id} ${request?.wechatAccount === account}`) },
    allowedHosts: ['shop.test'],
    ...more
  })
  const origin = await app.listen({ port: 0 })
  for (const [at, id] of IDS.entries()) {
    const { config } = emulator.named(`n${at}`)
    rows.set(id, { ...config, merchant: { ...config.merchant, notifyUrl: `${origin}${path(id, '/notify')}` }, origin: `https://n${at}.test`, shopName: id })
  }
  return { emulator, app, rows, happened, log, lookups }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

t.test('A1 login, pages, orders and notifications of accounts whose ids look alike never mix', async t => {
  const { emulator, app, rows, happened } = await platform(t)
  t.notOk(app.hasDecorator('wechatToken'), 'there is no single account')
  const logins = new Map<string, { cookies: Record<string, string>, back: string }>()
  const cookiePaths = new Set<string>()
  for (const [at, id] of IDS.entries()) {
    const redirect = await app.inject(path(id, '/oauth/authorize'))
    t.equal(redirect.statusCode, 302, id)
    const [cookie] = redirect.cookies
    t.equal(cookie?.path, path(id, '/oauth'), 'the cookie goes to this account only')
    cookiePaths.add(String(cookie?.path))
    const url = new URL(String(redirect.headers.location))
    t.equal(url.searchParams.get('redirect_uri'), `https://n${at}.test${path(id, '/oauth/callback')}`)
    t.equal(url.searchParams.get('appid'), rows.get(id)?.appId)
    const reply = await emulator.app.inject(`/n${at}/connect/oauth2/authorize_reply${url.search}&action=allow&user=${OPENID}`)
    const back = new URL(String(reply.headers.location))
    logins.set(id, { cookies: { [cookie!.name]: cookie!.value }, back: back.pathname + back.search })
  }
  t.equal(cookiePaths.size, IDS.length)
  const [one, other] = [logins.get('shop'), logins.get('Shop')]
  t.match(await app.inject({ url: one!.back.replace('/shop/', '/Shop/'), cookies: one!.cookies }), { statusCode: 403 }, 'another account\'s login')
  t.match(await app.inject({ url: one!.back, cookies: other!.cookies }), { statusCode: 403 })
  rows.set('twin', rows.get('shop')!)
  t.match(await app.inject({ url: one!.back.replace('/shop/', '/twin/'), cookies: one!.cookies }), { statusCode: 403 }, 'nor if two ids share an appId')
  for (const [id, { back, cookies }] of logins) t.match(await app.inject({ url: back, cookies }), { statusCode: 302 }, id)
  t.same(happened.splice(0), IDS.map(id => `login ${OPENID} ${id}`))

  for (const id of IDS) {
    const signed = await app.inject({ url: path(id, '/jssdk'), query: { url: 'https://shop.test/' } })
    t.match(signed.json(), { appId: rows.get(id)?.appId }, id)
    t.match((await app.inject({ method: 'POST', url: path(id, '/pay') })).json(), { appId: rows.get(id)?.appId })
  }
  // The same order number at each merchant: each account gets its own notification.
  for (const [at] of IDS.entries()) {
    const { pay, waitForNotification } = emulator.named(`n${at}`)
    await pay('SAME123456')
    await waitForNotification()
  }
  t.same(happened.toSorted(), IDS.filter(id => id !== 'Shop').map(id => `SAME123456 ${rows.get(id)?.merchant?.mchId} ${id} true`).toSorted(), 'and an account whose order has a different amount gets nothing')
  const [delivery] = emulator.named('n0').notifications()
  const { headers, body } = delivery!.request
  t.match(await app.inject({ method: 'POST', url: path('Shop', '/notify'), headers, payload: body }), { statusCode: 401 }, 'a genuine message of another account')
})

t.test('A2 an unknown account is a 404 on every route, after the rate limit and before the body is read, without details', async t => {
  const { app, lookups, rows } = await platform(t)
  const routes = [['GET', '/jssdk?url=x'], ['POST', '/jssdk'], ['POST', '/pay'], ['POST', '/notify'], ['GET', '/oauth/authorize'], ['GET', '/oauth/callback?state=x']] as const
  for (const [method, route] of routes) {
    const reply = await app.inject({ method, url: path('none', route), headers: { 'content-type': 'application/json' }, ...(method === 'POST' && { payload: '{"broken' }) })
    t.equal(reply.statusCode, 404, route)
    t.notMatch(reply.body, /none|shop|café/)
  }
  t.same(lookups, ['none'], 'one lookup for all of them')
  const heapUsed = () => {
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  const before = heapUsed()
  for (let at = 0; at < 20_000; at += 500) await Promise.all(Array.from({ length: 500 }, async (_one, more) => await app.wechatAccounts.get(`made-up-${at + more}`).catch(() => {})))
  t.equal(lookups.length, 20_001)
  t.equal(app.wechatAccounts.status().kept, 0)
  t.ok(heapUsed() - before < 30e6, 'and the memory of unknown ids is bounded')

  const limited = Fastify()
  t.teardown(() => limited.close())
  await limited.register(rateLimit, { global: false })
  const found: string[] = []
  await limited.register(jssdk, {
    prefix: '/:account',
    accounts: { find: id => { found.push(id); return rows.get('shop') } },
    routeConfig: { rateLimit: { max: 2, timeWindow: 60_000 } }
  })
  const codes = []
  for (let at = 0; at < 5; at++) codes.push((await limited.inject(`/id-${at}/jssdk?url=https://evil.test/`)).statusCode)
  t.same(codes, [403, 403, 429, 429, 429])
  t.same(found, ['id-0', 'id-1'], 'requests over the limit cause no lookup')
})

t.test('A3 wrong keys or a lookup that hangs or fails only affect that account, which is named in the log only', async t => {
  const release = new AbortController()
  const { app, rows, log, happened } = await platform(t, {
    accounts: {
      async find (id: string) {
        if (id === 'hangs') await sleep(60_000, undefined, { signal: release.signal }).catch(() => {})
        if (id === 'fails') throw new Error('database secret-host away')
        return rows.get(id)
      }
    }
  })
  const good = rows.get('shop')!
  rows.set('no-secret', { ...good, appSecret: 'short' })
  rows.set('no-app', { ...good, appId: '' })
  rows.set('bad-key', { ...good, merchant: { ...good.merchant!, v3: { ...good.merchant!.v3!, privateKey: 'nonsense' } } })
  const hanging = app.inject(path('hangs', '/jssdk?url=https://shop.test/'))
  for (const [id, method, route, status] of [
    ['no-secret', 'GET', '/jssdk?url=https://shop.test/', 500],
    ['no-app', 'GET', '/jssdk?url=https://shop.test/', 500],
    ['bad-key', 'POST', '/pay', 500],
    ['bad-key', 'POST', '/notify', 500],
    ['fails', 'GET', '/jssdk?url=https://shop.test/', 503]
  ] as const) {
    log.length = 0
    const reply = await app.inject({ method, url: path(id, route), ...(method === 'POST' && { payload: {} }) })
    t.equal(reply.statusCode, status, `${id} ${route}`)
    t.notMatch(reply.body, /appSecret|privateKey|appId|secret-host|short|nonsense/)
    t.ok(log.some(line => line.includes(`"account":"${id}"`)), 'named in the log')
    t.notOk(log.some(line => /nonsense|"short"/.test(line)), 'without a value')
    t.match((await app.inject({ url: path('shop', '/jssdk'), query: { url: 'https://shop.test/' } })).statusCode, 200, 'the others keep working')
  }
  release.abort()
  t.equal((await hanging).statusCode, 404)
  t.same(happened, [])
})

t.test('an account is changed, forgotten and removed while the server runs', async t => {
  const { app, rows } = await platform(t)
  const { wechatAccounts } = app
  const sign = async () => await app.inject({ url: path('shop', '/jssdk'), query: { url: 'https://shop.test/' } })
  t.equal((await sign()).statusCode, 200)
  const before = await wechatAccounts.get('shop')
  t.equal(before.options.shopName, 'shop')
  rows.set('shop', { ...rows.get('Shop')! })
  wechatAccounts.forget('shop')
  t.match((await sign()).json(), { appId: rows.get('Shop')?.appId })
  rows.delete('shop')
  wechatAccounts.forget('shop')
  t.equal((await sign()).statusCode, 404)
  t.match(wechatAccounts.status(), { kept: 0 })
})

t.test('of() selects the account, by host name or asynchronously; request.wechatAccount is set in our routes only', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const accounts = { find: (id: string) => id === 'b.test' ? { appId, appSecret } : undefined, of: async (request: { host: string }) => request.host }
  await app.register(oauth, { accounts, onLogin () {} })
  await app.register(notify, { accounts, onPayment () {} })
  app.get('/mine', async request => request.wechatAccount.id)
  t.match(await app.inject({ url: '/wechat/oauth/authorize', headers: { host: 'b.test' } }), { statusCode: 302, headers: { location: /appid=wx0123456789abcdef/ } })
  t.equal((await app.inject({ url: '/wechat/oauth/authorize', headers: { host: 'c.test' } })).statusCode, 404)
  t.equal((await app.inject('/mine')).statusCode, 500)
})

t.test('A1 a thousand accounts in one server: each page is signed with its own ticket, fetched once', async t => {
  const MANY = 1000
  const wechat = await fakeServer(({ url, body }, reply) => {
    const token = /access_token=tok-(\w+)/.exec(url)?.[1]
    reply.end(JSON.stringify(token === undefined
      ? { access_token: `tok-${(JSON.parse(body) as { appid: string }).appid}`, expires_in: 7200 }
      : { errcode: 0, errmsg: 'ok', ticket: `ticket-of-${token}`, expires_in: 7200 }))
  })
  t.teardown(wechat.close)
  const app = Fastify()
  t.teardown(() => app.close())
  const idOf = (at: number) => at % 2 ? `Shop-${(at - 1) / 2}` : `shop-${at / 2}`
  const appIdOf = (id: string) => `wx${Buffer.from(id).toString('hex')}`
  await app.register(jssdk, { prefix: '/:account', accounts: { find: async id => ({ appId: appIdOf(id), appSecret, endpoints: wechat.endpoints }), max: MANY }, allowedHosts: ['shop.test'] })
  for (let round = 0; round < 2; round++) {
    for (let from = 0; from < MANY; from += 50) {
      await Promise.all(Array.from({ length: 50 }, async (_one, more) => {
        const id = idOf(from + more)
        const config = (await app.inject(`/${id}/jssdk?url=https://shop.test/`)).json()
        const expected = signJssdk({ jsapi_ticket: `ticket-of-${appIdOf(id)}`, noncestr: config.nonceStr, timestamp: config.timestamp, url: 'https://shop.test/' })
        if (config.appId !== appIdOf(id) || config.signature !== expected) t.fail(`${id} got another account's signature`)
      }))
    }
  }
  t.equal(wechat.seen.length, 2 * MANY, 'one token and one ticket each')
})

t.test('notifications on a shared path are assigned to the account that verifies them', async t => {
  const mchId = '1900000109'
  const shared = testNotifications({ appId: 'wxone', mchId, apiKey: V2, apiV3Key: V3 })
  const second = testNotifications({ appId: 'wxtwo', mchId, apiKey: V2, apiV3Key: V3 })
  const own = testNotifications({ appId: 'wxthree', mchId: '1900000200', apiKey: V2.toLowerCase(), apiV3Key: V3.toLowerCase() })
  const merchant = { mchId, v2: { apiKey: V2 }, v3: shared.v3.merchant }
  const rows: Record<string, WechatAccountOptions> = {
    one: { appId: 'wxone', merchant },
    two: { appId: 'wxtwo', merchant },
    three: { appId: 'wxthree', merchant: { mchId: '1900000200', v2: { apiKey: V2.toLowerCase() }, v3: own.v3.merchant } },
    broken: { appId: 'wxone', merchant: { ...merchant, v3: { ...merchant.v3, privateKey: 'nonsense' } } }
  }
  const ids = (claims: object) => { claimed.push(claims); return named }
  let named: string[] = []
  const claimed: object[] = []
  const handled: string[] = []
  const log: string[] = []
  async function host (ofNotification?: typeof ids) {
    const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { log.push(line) } } } })
    t.teardown(() => app.close())
    await app.register(notify, {
      accounts: {
        find: async (id: string): Promise<WechatAccountOptions | undefined> => {
          if (id === 'hangs') await sleep(60_000, undefined, { ref: false })
          return rows[id]
        },
        ...(ofNotification && { ofNotification })
      },
      handlerTimeout: 500,
      onPayment: (payment, { account }) => { handled.push(`${payment.outTradeNo} of ${account.id}`) },
      onRefund: (refund, { account }) => { handled.push(`${refund.outRefundNo} of ${account.id}`) }
    })
    return { app, send: async (message: { headers: Record<string, string>, payload: string }) => (await app.inject({ method: 'POST', url: '/wechat/notify', ...message })).statusCode }
  }
  const payment = (outTradeNo: string) => ({ outTradeNo, amount: 1 })
  const ofTwo = (outTradeNo: string) => shared.v3.event('TRANSACTION.SUCCESS', {
    appid: 'wxtwo', mchid: mchId, out_trade_no: outTradeNo, transaction_id: `42${outTradeNo.replace(/\D/g, '')}`, trade_type: 'JSAPI', trade_state: 'SUCCESS', bank_type: 'OTHERS', attach: '', success_time: '2026-11-23T18:20:00+08:00', payer: { openid: OPENID }, amount: { total: 1, payer_total: 1, currency: 'CNY', payer_currency: 'CNY' }
  })

  const { app, send } = await host()
  t.equal(await send(shared.v2.payment(payment('NOBODY1'))), 401, 'no account in memory')
  for (const id of ['one', 'two', 'three', 'broken']) await app.wechatAccounts.get(id)
  t.equal(await send(shared.v2.payment(payment('V2ONE1'))), 200)
  t.equal(await send(second.v2.payment(payment('V2TWO1'))), 200, 'the same merchant and key, another appid')
  t.equal(await send(own.v2.payment(payment('V2THREE1'))), 200)
  t.equal(await send(shared.v3.payment(payment('V3ONE1'))), 204)
  t.equal(await send(ofTwo('V3TWO1')), 204)
  t.equal(await send(own.v3.payment(payment('V3THREE1'))), 204)
  t.same(handled.splice(0), ['V2ONE1 of one', 'V2TWO1 of two', 'V2THREE1 of three', 'V3ONE1 of one', 'V3TWO1 of two', 'V3THREE1 of three'])

  const misattributed = own.v2.payment(payment('LIE1'))
  t.equal(await send({ ...misattributed, payload: misattributed.payload.replaceAll('wxthree', 'wxone').replaceAll('1900000200', mchId) }), 500, 'claims one account, signed by another: refused by all, and one account could not be checked')
  t.equal(await send(own.v3.forged(own.v3.payment(payment('FORGED1')))), 401)
  t.equal(await send({ headers: { 'content-type': 'application/json', 'wechatpay-serial': 'PUB_KEY_ID_1', 'wechatpay-signature': 'x' }, payload: '{"resource":5}' }), 401)
  t.equal(await send({ headers: { 'content-type': 'text/xml' }, payload: '<xml>' }), 401)

  const refund = { outTradeNo: 'A1', outRefundNo: 'REF1', amount: 1, total: 1 }
  t.equal(await send(own.v3.refund(refund)), 204)
  t.equal(await send(second.v2.refund(refund)), 200, 'v2 names the appid')
  log.length = 0
  t.equal(await send(shared.v3.refund(refund)), 409, 'APIv3 does not: no guessing')
  t.match(log.join(''), /"accounts":\["(?:one|two)","(?:one|two)"\]/)
  t.same(handled.splice(0), ['REF1 of three', 'REF1 of two'])

  const read = await app.wechatNotify.read(own.v3.payment(payment('MINE1')).headers, Buffer.from(own.v3.payment(payment('MINE1')).payload)).catch((error: Error) => error)
  t.match(read, { statusCode: 401 }, 'headers of one message, body of another')
  const genuine = own.v3.payment(payment('MINE2'))
  t.match(await app.wechatNotify.read(genuine.headers, Buffer.from(genuine.payload)), { kind: 'payment', account: 'three', payment: { outTradeNo: 'MINE2' } })
  t.same(handled, [], 'read() calls no handlers')

  const chosen = await host(ids)
  for (const [who, message, status] of [
    [['hangs', 'broken', 'none', 'one'], shared.v3.payment(payment('CHOSEN1')), 204],
    [['two'], shared.v3.refund({ ...refund, outRefundNo: 'REF2' }), 204],
    [['three'], shared.v3.payment(payment('CHOSEN2')), 401],
    [[], shared.v3.payment(payment('CHOSEN3')), 401],
    [['hangs'], shared.v3.payment(payment('CHOSEN4')), 503]
  ] as const) {
    named = [...who]
    t.equal(await chosen.send(message), status, `${who}`)
  }
  t.same(handled, ['CHOSEN1 of one', 'REF2 of two'])
  t.match(claimed[0], { version: 'v3', serial: shared.v3.merchant.publicKeyId })
})

t.test('reconciliation queries each account\'s orders, and a misconfigured account does not affect the others', async t => {
  const unfinished = [{ outTradeNo: 'SAME123456', account: 'shop' }, { outTradeNo: 'SAME123456', account: 'Shop' }, { outTradeNo: 'SAME123456', account: 'gone' }, { outTradeNo: 'SAME123456' }]
  const { emulator, app, rows, happened } = await platform(t, { unfinished: () => unfinished, every: 0, expected: undefined })
  for (const [at, id] of [[0, 'shop'], [1, 'Shop']] as const) {
    const row = rows.get(id)!
    rows.set(id, { ...row, merchant: { ...row.merchant!, notifyUrl: 'http://127.0.0.1:1/lost' } })
    await app.inject({ method: 'POST', url: path(id, '/pay') })
    if (id === 'shop') await emulator.named(`n${at}`).pay('SAME123456')
  }
  const report = await app.wechatReconcile.run()
  t.match(report, { orders: 4, paid: 1, open: 1, failed: 2 })
  t.same(report?.failures.map(({ account, code }) => `${account} ${code}`).toSorted(), ['gone WECHAT_ACCOUNT', 'undefined WECHAT_INPUT'])
  t.same(happened, [`SAME123456 ${rows.get('shop')?.merchant?.mchId} shop false`])
  t.throws(() => app.wechatReconcile.compareBill({ date: '2026-11-01' }, []), { code: 'WECHAT_CONFIG' })
})
