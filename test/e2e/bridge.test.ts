/** JS-SDK calls other than payments, with WeChat's official script in a real browser. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import Fastify from 'fastify'
import t from 'tap'
import jssdk from '../../plugins/jssdk.ts'
import { createPay } from '../../src/pay/pay.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { skip, startBrowser } from '../helpers/browser.ts'

// The package wraps WeChat's script for bundlers; a page gets it as WeChat serves it.
const script = `(() => { const module = {}; ${readFileSync(createRequire(import.meta.url).resolve('weixin-js-sdk'), 'utf8')}; window.wx = module.exports })()`
const JS_API_LIST = ['updateAppMessageShareData', 'updateTimelineShareData', 'scanQRCode', 'openLocation']

const page = (origin: string) => `<!doctype html><meta charset="utf-8"><title>shop</title><body>
<script src="${origin}/_emulator/bridge.js"></script>
<script src="/jweixin.js"></script>
<script>
const ready = fetch('/wechat/jssdk?url=' + encodeURIComponent(location.href.split('#')[0])).then(reply => reply.json()).then(config => new Promise((resolve, reject) => {
  wx.config(config)
  wx.ready(resolve)
  wx.error(reject)
}))
const ask = (name, params = {}) => ready.then(() => new Promise(resolve => wx[name]({ ...params, success: resolve, fail: resolve, cancel: resolve })))
</script></body>`

t.test('sharing, scanning, opening a location, receiving a transfer', { skip }, async t => {
  const emulator = await testEmulator(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(jssdk, { ...emulator.config, jsApiList: JS_API_LIST, prefix: '/wechat' })
  app.get('/', (_request, reply) => reply.type('text/html').send(page(emulator.origin)))
  app.get('/jweixin.js', (_request, reply) => reply.type('text/javascript').send(script))
  const origin = (await app.listen({ port: 0, host: '127.0.0.1' })).replace('127.0.0.1', 'localhost')
  const { visitor } = await startBrowser(t)
  const visit = await visitor()
  await visit.goto(origin)
  const ask = async (name: string, params: object = {}) => await visit.evaluate(`ask(${JSON.stringify(name)}, ${JSON.stringify(params)})`)

  const share = { title: '一杯咖啡', desc: 'd', link: `${origin}/share`, imgUrl: `${origin}/i.png` }
  t.match(await ask('updateAppMessageShareData', share), { errMsg: 'updateAppMessageShareData:ok' })
  t.match(await ask('updateTimelineShareData', share), { errMsg: 'updateTimelineShareData:ok' })
  t.match(await ask('updateAppMessageShareData', { ...share, link: 'https://elsewhere.test/' }), { errMsg: /^updateAppMessageShareData:fail/ })
  t.match(await ask('checkJsApi', { jsApiList: ['scanQRCode', 'chooseWXPay', 'startRecord'] }), { checkResult: { scanQRCode: true, chooseWXPay: true, startRecord: false } })

  const scanned = ask('scanQRCode', { needResult: 1, scanType: ['qrCode'] })
  await visit.getByRole('textbox').fill('table 7')
  await visit.getByText('确定').click()
  t.match(await scanned, { resultStr: 'table 7', errMsg: 'scanQRCode:ok' })
  const left = ask('scanQRCode', { needResult: 1 })
  await visit.getByText('取消').click()
  t.match(await left, { errMsg: 'scanQRCode:cancel' })
  const place = ask('openLocation', { latitude: 39.9, longitude: 116.4, name: '咖啡馆', address: '一号' })
  await visit.getByText('咖啡馆').waitFor()
  await visit.getByText('确定').click()
  t.match(await place, { errMsg: 'openLocation:ok' })

  const pay = createPay({ ...emulator.bothConfig, version: 'v3', merchant: { ...emulator.bothConfig.merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
  const bill = { sceneId: '1000', openid: OPENID, amount: 123, remark: '奖励', reports: [{ info_type: '活动名称', info_content: 'a' }, { info_type: '奖励说明', info_content: 'b' }] }
  const { packageInfo } = await pay.v3.transfers.create({ ...bill, outBillNo: 'JS00001' })
  const receive = visit.evaluate(`ready.then(() => new Promise(resolve => WeixinJSBridge.invoke('requestMerchantTransfer', ${JSON.stringify({ mchId: emulator.account.mchId, appId: emulator.account.appId, package: packageInfo })}, resolve)))`)
  const frame = visit.frameLocator('iframe[title="WeChat Pay"]')
  await frame.locator('#pay').click()
  t.match(await receive, { err_msg: 'requestMerchantTransfer:ok' })
  t.match(await pay.v3.transfers.query('JS00001'), { state: 'SUCCESS' })
})
