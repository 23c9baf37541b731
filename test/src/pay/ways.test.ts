/** All ways to pay with v2, against the emulator. */
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { pay as payPlugin } from '../../../plugins/pay.ts'
import type { PayPluginOptions } from '../../../plugins/pay.ts'
import { createPay } from '../../../src/pay/pay.ts'
import type { PayOptions } from '../../../src/pay/pay.ts'
import { signV2 } from '../../../src/pay/v2/sign.ts'
import { OPENID, testEmulator } from '../../helpers/account.ts'
import { fakeServer } from '../../helpers/fake-server.ts'
import { freePort } from '../../helpers/redis.ts'
import { writeXml } from '../../../src/pay/v2/write-xml.ts'
import { readXml } from '../../../src/pay/v2/xml.ts'

const ORDER = { outTradeNo: 'W1234567890', description: '云南咖啡', amount: 6800 }
const NOTIFY = 'http://127.0.0.1:1/notify'

async function stage (t: Test, signType: 'MD5' | 'HMAC-SHA256' = 'HMAC-SHA256') {
  const emulator = await testEmulator(t)
  const { merchant } = emulator.config
  const options: PayOptions = { ...emulator.config, merchant: { ...merchant, notifyUrl: NOTIFY, v2: { ...merchant.v2, signType } } }
  return { emulator, options, pay: createPay(options) }
}

for (const signType of ['MD5', 'HMAC-SHA256'] as const) {
  t.test(`APP, signed with ${signType}: bare prepay_id, names in lower case`, async t => {
    const { emulator, pay } = await stage(t, signType)
    const { sign, ...signed } = await pay.app(ORDER)
    t.match(signed, { appid: emulator.account.appId, partnerid: emulator.account.mchId, prepayid: /^wx/, package: 'Sign=WXPay', noncestr: /^[0-9a-f]{32}$/, timestamp: /^\d{10}$/ })
    t.equal(Object.keys(signed).length, 6)
    t.equal(sign, signV2(signed, emulator.account.apiKey, signType))
    await emulator.pay(ORDER.outTradeNo)
    t.match(await pay.query({ outTradeNo: ORDER.outTradeNo }), { state: 'SUCCESS', tradeType: 'APP', amount: 6800 })
  })
}

t.test('NATIVE, mode 2: the code opens the order, and a newer code replaces it', async t => {
  const { emulator, pay } = await stage(t)
  const { codeUrl } = await pay.native({ ...ORDER, productId: 'coffee' })
  t.match(codeUrl, /^weixin:\/\/wxpay\/bizpayurl\?pr=/)
  t.match(await emulator.scan(codeUrl), { out_trade_no: ORDER.outTradeNo, product_id: 'coffee' })
  const again = await pay.native({ ...ORDER, productId: 'coffee' })
  t.not(again.codeUrl, codeUrl)
  await t.rejects(emulator.scan(codeUrl), { message: '二维码已失效' })
  await emulator.scan(again.codeUrl)
  await emulator.pay(ORDER.outTradeNo, { openid: 'oUpF8uN95-Ptaags6E_roPHg7AG0' })
  t.match(await pay.query({ outTradeNo: ORDER.outTradeNo }), { tradeType: 'NATIVE', openid: 'oUpF8uN95-Ptaags6E_roPHg7AG0' })
  await t.rejects(emulator.scan(again.codeUrl), { message: /已支付/ })
})

t.test('NATIVE: QR code images', async t => {
  const { pay } = await stage(t)
  const { qr } = await pay.native(ORDER, { qr: 'svg' })
  t.match(qr, /^<svg /)
  const png = await pay.native(ORDER, { qr: 'png' })
  t.equal(png.qr.toString('latin1', 1, 4), 'PNG')
})

t.test('H5: from the merchant\'s page to the cashier and back', async t => {
  const { emulator, pay } = await stage(t)
  const redirectUrl = 'https://shop.example.com/orders/1?a=1&b=咖啡'
  const { h5Url } = await pay.h5({ ...ORDER, clientIp: '9.9.9.9', redirectUrl })
  const url = new URL(h5Url)
  t.equal(url.searchParams.get('redirect_url'), redirectUrl)
  t.match(await (await fetch(h5Url)).text(), /商家参数格式有误/, 'not from a page')
  const page = await (await fetch(h5Url, { headers: { referer: 'https://shop.example.com/' } })).text()
  t.match(page, /¥68\.00/)
  t.match((await pay.h5({ ...ORDER, clientIp: '9.9.9.9' })).h5Url, /package=\d+$/)
  t.match(emulator.order(ORDER.outTradeNo), { trade_type: 'MWEB' })
  const scene = async (scene: Parameters<typeof pay.h5>[0]['scene']) => {
    const server = await fakeServer((_seen, reply) => { reply.end() })
    t.teardown(server.close)
    const { options } = await stage(t)
    await createPay({ ...options, endpoints: server.endpoints, http: { retries: 0 } }).h5({ ...ORDER, clientIp: '9.9.9.9', ...(scene && { scene }) }).catch(() => {})
    return JSON.parse(String(readXml(Buffer.from(server.seen[0]!.body)).scene_info))
  }
  t.same(await scene(undefined), { h5_info: { type: 'Wap' } })
  t.same(await scene({ type: 'IOS', appName: '王者荣耀', bundleId: 'com.example' }), { h5_info: { type: 'IOS', app_name: '王者荣耀', bundle_id: 'com.example' } })
  t.same(await scene({ type: 'Wap', wapUrl: 'https://shop.example.com', wapName: '店' }), { h5_info: { type: 'Wap', wap_url: 'https://shop.example.com', wap_name: '店' } })
})

t.test('invalid input is refused before any call', async t => {
  const server = await fakeServer(() => t.fail('a call went out'))
  t.teardown(server.close)
  const { options } = await stage(t)
  const pay = createPay({ ...options, endpoints: server.endpoints })
  await t.rejects(pay.h5(ORDER as never), { code: 'WECHAT_INPUT', field: 'clientIp' })
  await t.rejects(pay.h5({ ...ORDER, clientIp: '9.9.9.9', redirectUrl: 'javascript:alert(1)' }), { code: 'WECHAT_INPUT', field: 'redirectUrl' })
  await t.rejects(pay.native({ ...ORDER, outTradeNo: 'a/b' }), { code: 'WECHAT_INPUT', field: 'outTradeNo' })
  await t.rejects(pay.app({ ...ORDER, deviceInfo: 'x'.repeat(33) }), { code: 'WECHAT_INPUT', field: 'deviceInfo' })
  await t.rejects(pay.app({ ...ORDER, goodsTag: '' }), { code: 'WECHAT_INPUT', field: 'goodsTag' })
  await t.rejects(pay.micropay({ ...ORDER, authCode: '99' }), { code: 'WECHAT_INPUT', field: 'authCode' })
  await t.rejects(pay.micropay({ ...ORDER, outTradeNo: '', authCode: '134567890123456789' }), { code: 'WECHAT_INPUT', field: 'outTradeNo' })
  t.throws(() => pay.v2.nativeProductUrl('a b'), { code: 'WECHAT_INPUT', field: 'productId' })
})

t.test('the pay route supports all ways', async t => {
  const { emulator, options } = await stage(t)
  const app = Fastify()
  t.teardown(() => app.close())
  const ways = new Map<string, object>([
    ['jsapi', { openid: OPENID }], ['miniProgram', { openid: OPENID, way: 'miniProgram' }], ['app', { way: 'app' }], ['native', { way: 'native' }], ['h5', { way: 'h5' }], ['other', { way: 'close' }]
  ])
  await app.register(payPlugin, {
    ...options as PayPluginOptions,
    order: request => ({ ...ORDER, outTradeNo: `W-${(request.body as { way: string }).way}`, ...ways.get((request.body as { way: string }).way) }) as never
  })
  const ask = async (way: string) => (await app.inject({ method: 'POST', url: '/wechat/pay', payload: { way } })).json()
  t.match(await ask('jsapi'), { paySign: /./, timestamp: /./ })
  const mini = await ask('miniProgram')
  t.notOk('appId' in mini)
  t.match(await ask('app'), { prepayid: /^wx/, sign: /./ })
  t.match(await ask('native'), { codeUrl: /^weixin:/ })
  t.match(await ask('h5'), { h5Url: /^http/ })
  t.match(await ask('other'), { statusCode: 500, code: 'WECHAT_CONFIG' })
  t.match(emulator.order('W-app'), { trade_type: 'APP' })
})

t.test('NATIVE, mode 1: WeChat asks for the order of the scanned product, and the payer pays', async t => {
  for (const signType of ['MD5', 'HMAC-SHA256'] as const) {
    const scans: string[] = []
    const own = Fastify()
    t.teardown(() => own.close())
    const port = await freePort()
    const emulator = await testEmulator(t, { nativeUrl: `http://127.0.0.1:${port}/wechat/native` })
    const { merchant } = emulator.config
    await own.register(payPlugin, {
      ...emulator.config,
      merchant: { ...merchant, notifyUrl: NOTIFY, v2: { ...merchant.v2, signType } },
      product: scan => {
        scans.push(`${scan.productId} ${scan.openid} ${scan.isSubscribed}`)
        if (scan.productId !== 'coffee') throw Object.assign(new Error('sold out in warehouse 7'), { statusCode: 404 })
        return { ...ORDER, outTradeNo: `N1-${scans.length}` }
      }
    })
    await own.listen({ port, host: '127.0.0.1' })
    const url = own.wechatPay.v2.nativeProductUrl('coffee')
    t.match(url, /^weixin:\/\/wxpay\/bizpayurl\?appid=.*sign=[0-9A-F]+$/)
    t.match(await emulator.scan(url, OPENID), { out_trade_no: 'N1-1', product_id: 'coffee' })
    t.same(scans, [`coffee ${OPENID} true`])
    await emulator.pay('N1-1')
    await t.rejects(emulator.scan(own.wechatPay.v2.nativeProductUrl('tea')), { message: '暂时无法购买' }, 'the payer sees no reason')
    await t.rejects(emulator.scan(url.replace('coffee', 'gold')), { message: '签名错误' })
    await t.rejects(emulator.scan('weixin://wxpay/bizpayurl?pr=none'), { message: '二维码已失效' })

    const { apiKey, appId, mchId } = emulator.account
    const ask = { appid: appId, mch_id: mchId, openid: OPENID, is_subscribe: 'Y', nonce_str: 'n', product_id: 'coffee' }
    const post = async (fields: Record<string, string>, sign = signV2(fields, apiKey, signType)) =>
      await own.inject({ method: 'POST', url: '/wechat/native', headers: { 'content-type': 'text/xml' }, payload: writeXml({ ...fields, sign }) })
    t.match(await post(ask), { statusCode: 200, headers: { 'content-type': 'text/xml; charset=utf-8' } })
    t.match(await post(ask, 'WRONG'), { statusCode: 401 })
    t.match(await post({ ...ask, mch_id: '1' }), { statusCode: 403 })
    t.match(await post({ ...ask, openid: 'a b' }), { statusCode: 400 })
    t.match(await post({ ...ask, product_id: 'a&b=1' }), { statusCode: 400 })
    t.match(await own.inject({ method: 'POST', url: '/wechat/native', payload: 'x', headers: { 'content-type': 'text/xml' } }), { statusCode: 400 })
    t.match(await own.inject({ method: 'POST', url: '/wechat/native' }), { statusCode: 400 })
    t.equal(scans.length, 3, 'no refused request reached the handler')
  }
})

t.test('NATIVE, mode 1: invalid answers of the merchant', async t => {
  const shop = await fakeServer((_seen, reply) => { reply.end('<html>') })
  t.teardown(shop.close)
  const emulator = await testEmulator(t, { nativeUrl: shop.origin })
  const pay = createPay({ ...emulator.config, merchant: { ...emulator.config.merchant, notifyUrl: NOTIFY } })
  const url = pay.v2.nativeProductUrl('coffee')
  await t.rejects(emulator.scan(url), { message: '商户应答异常' })
  shop.become((_seen, reply) => { reply.end('<xml><return_code>FAIL</return_code></xml>') })
  await t.rejects(emulator.scan(url), { message: '商户应答异常' })
  const none = await testEmulator(t)
  await t.rejects(none.scan(createPay({ ...none.config, merchant: { ...none.config.merchant, notifyUrl: NOTIFY } }).v2.nativeProductUrl('coffee')), { message: '商户未设置扫码支付回调URL' })
})
