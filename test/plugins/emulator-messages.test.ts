/** An Official Account's calls besides tokens: users, messages, menus, QR codes; and the page's JS-SDK calls. */
import t from 'tap'
import type { Test } from 'tap'
import { createPay } from '../../src/pay/pay.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'

type Json = Record<string, any>

async function stage (t: Test, options: Parameters<typeof testEmulator>[1] = {}) {
  const emulator = await testEmulator(t, options)
  const { appId, appSecret } = emulator.account
  const { access_token: token } = (await emulator.app.inject(`/cgi-bin/token?grant_type=client_credential&appid=${appId}&secret=${appSecret}`)).json<{ access_token: string }>()
  const get = async (path: string): Promise<Json> => (await emulator.app.inject(`${path}${path.includes('?') ? '&' : '?'}access_token=${token}`)).json()
  const raw = async (path: string, payload: object) => await emulator.app.inject({ method: 'POST', url: `${path}?access_token=${token}`, payload })
  const post = async (path: string, payload: object): Promise<Json> => (await raw(path, payload)).json()
  return { emulator, get, post, raw, token }
}

const TEMPLATE = { touser: OPENID, template_id: 'T1', url: 'https://shop.test', data: { first: { value: '已付款' } } }

t.test('users: who follows and who does not, as recorded', async t => {
  const { get, post } = await stage(t)
  const follower = await get(`/cgi-bin/user/info?openid=${OPENID}`)
  t.same(Object.keys(follower), ['subscribe', 'openid', 'nickname', 'sex', 'language', 'city', 'province', 'country', 'headimgurl', 'subscribe_time', 'remark', 'groupid', 'tagid_list', 'subscribe_scene', 'qr_scene', 'qr_scene_str'])
  t.match(follower, { subscribe: 1, nickname: '', headimgurl: '', remark: '', groupid: 0, qr_scene: 0, qr_scene_str: '' }, 'nicknames and avatars have been empty since December 2021')
  t.same(await get('/cgi-bin/user/info?openid=oANewVisitorOfThisAccount000'), { subscribe: 0, openid: 'oANewVisitorOfThisAccount000', tagid_list: [] })
  t.match(await get('/cgi-bin/user/info?openid=x'), { errcode: 40003, errmsg: /^invalid openid rid: / })
  t.match(await post('/cgi-bin/user/info/batchget', { user_list: [{ openid: OPENID }, { openid: 'oANewVisitorOfThisAccount000' }] }), { user_info_list: [{ subscribe: 1 }, { subscribe: 0 }] })
  t.match(await post('/cgi-bin/user/info/batchget', { user_list: [] }), { errcode: 40032 })
})

t.test('messages are stored for inspection', async t => {
  const { emulator, post, raw } = await stage(t)
  const sent = (await raw('/cgi-bin/message/template/send', TEMPLATE)).body
  const [, id] = /"msgid":(\d+)/.exec(sent)!
  t.match(id, /^\d{19}$/)
  t.not(String(JSON.parse(sent).msgid), id, 'JSON.parse loses digits, as with WeChat\'s')
  t.match(await post('/cgi-bin/message/template/send', { ...TEMPLATE, touser: 'oANewVisitorOfThisAccount000' }), { errcode: 43004 })
  t.match(await post('/cgi-bin/message/template/send', { ...TEMPLATE, template_id: '' }), { errcode: 40037 })
  const subscribed = { touser: OPENID, template_id: 'S1', page: 'p', data: { thing4: { value: '一杯咖啡' }, amount2: { value: '¥68.00' } } }
  t.match(await post('/cgi-bin/message/subscribe/bizsend', subscribed), { errcode: 0, errmsg: 'ok' })
  t.match(await post('/cgi-bin/message/subscribe/bizsend', { ...subscribed, data: { thing4: { value: '长'.repeat(21) } } }), { errcode: 47003, errmsg: /^argument invalid! data\.thing4\.value / })
  await emulator.app.inject({ method: 'POST', url: '/_emulator/messages/subscription', payload: { openid: OPENID, accepts: false } })
  t.match(await post('/cgi-bin/message/subscribe/bizsend', subscribed), { errcode: 43101, errmsg: /^user refuse to accept the msg rid: / })
  await emulator.app.inject({ method: 'POST', url: '/_emulator/messages/subscription', payload: { openid: OPENID, accepts: true } })
  t.match(await post('/cgi-bin/message/subscribe/send', subscribed), { errcode: 0 })
  t.match(await post('/cgi-bin/message/custom/send', { touser: OPENID, msgtype: 'text', text: { content: '您好' } }), { errcode: 0 })
  t.match(await post('/cgi-bin/message/custom/send', { touser: OPENID, msgtype: 'text', text: { content: '' } }), { errcode: 44004 })
  t.match(emulator.messages(), [{ id, kind: 'template', openid: OPENID, template_id: 'T1', content: { data: { first: { value: '已付款' } } } }, { kind: 'subscribe' }, { kind: 'subscribe' }, { kind: 'custom', content: { text: { content: '您好' } } }])
  t.equal((await emulator.app.inject('/_emulator/messages')).json<Json[]>().length, 4)
  t.match((await emulator.app.inject({ method: 'POST', url: '/cgi-bin/message/template/send', payload: TEMPLATE })).json(), { errcode: 41001 })
  t.match((await raw('/cgi-bin/message/template/send', [] as never)).json(), { errcode: 40003 })
})

t.test('menus, QR codes, quotas, server addresses', async t => {
  const { emulator, get, post } = await stage(t)
  t.match(await get('/cgi-bin/menu/get'), { errcode: 46003 })
  t.match(await post('/cgi-bin/menu/create', { button: [{ name: '下单', type: 'view', url: 'https://shop.test' }] }), { errcode: 0 })
  t.match(await get('/cgi-bin/menu/get'), { menu: { button: [{ name: '下单' }] } })
  t.match(await post('/cgi-bin/menu/create', { button: [] }), { errcode: 40016 })
  t.match(await get('/cgi-bin/menu/delete'), { errcode: 0 })
  t.match(await post('/cgi-bin/qrcode/create', { expire_seconds: 600, action_name: 'QR_STR_SCENE', action_info: { scene: { scene_str: 's' } } }), { ticket: /./, expire_seconds: 600, url: /^http:\/\/weixin\.qq\.com\/q\// })
  t.match(await post('/cgi-bin/qrcode/create', { action_name: 'X' }), { errcode: 40099 })
  t.match(await get('/cgi-bin/get_api_domain_ip'), { ip_list: [/./] })
  t.match(await post('/cgi-bin/clear_quota', { appid: emulator.account.appId }), { errcode: 0 })
  t.match(await post('/cgi-bin/clear_quota', { appid: 'wx1' }), { errcode: 40013 })
})

t.test('JS-SDK calls besides payment', async t => {
  const { emulator } = await stage(t)
  const bridge = async (name: string, payload: object): Promise<Json> => (await emulator.app.inject({ method: 'POST', url: `/_emulator/bridge/${name}`, payload: JSON.stringify(payload), headers: { 'content-type': 'text/plain' } })).json()
  for (const name of ['updateAppMessageShareData', 'updateTimelineShareData']) {
    t.match(await bridge(name, { title: '咖啡', link: 'http://localhost/x' }), { err_msg: `${name}:ok` })
    t.match(await bridge(name, { title: '咖啡', link: 'https://elsewhere.test/x' }), { err_msg: new RegExp(`^${name}:fail`) })
  }
  const pay = createPay({ ...emulator.bothConfig, merchant: { ...emulator.bothConfig.merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
  const { codeUrl } = await pay.native({ outTradeNo: 'SCAN12345', description: 'x', amount: 100, productId: '1' })
  t.match(await bridge('scanQRCode', { text: codeUrl }), { cashier: /^\/_emulator\/cashier\/wx/ })
  t.match(await bridge('scanQRCode', { text: 'https://x.test' }), { err_msg: 'scanQRCode:fail' })
  const { packageInfo } = await pay.v3.transfers.create({ outBillNo: 'JS00001', sceneId: '1000', openid: OPENID, amount: 100, remark: '奖', reports: [{ info_type: '活动名称', info_content: 'a' }, { info_type: '奖励说明', info_content: 'b' }] })
  const request = { mchId: emulator.account.mchId, appId: emulator.account.appId, package: packageInfo }
  const { cashier } = await bridge('requestMerchantTransfer', request)
  t.match((await emulator.app.inject(cashier)).body, /¥1\.00/)
  t.match(await bridge('requestMerchantTransfer', { ...request, mchId: '1' }), { err_msg: 'requestMerchantTransfer:fail', err_desc: /mchId/ })
  t.match(await bridge('requestMerchantTransfer', { ...request, package: 'x' }), { err_msg: 'requestMerchantTransfer:fail' })
  await emulator.confirmTransfer('JS00001')
  t.match(await bridge('requestMerchantTransfer', request), { err_msg: 'requestMerchantTransfer:fail', err_desc: '单据状态不允许确认收款' })
})
