/** The emulator's APIs besides payments: stateful, with their notifications. Members and limits follow WeChat Pay's API descriptions. */
import { createDecipheriv, createHash, createPublicKey, privateDecrypt, constants, publicEncrypt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { authorization } from '../../src/pay/v3/sign.ts'
import { signV2 } from '../../src/pay/v2/sign.ts'
import { writeXml } from '../../src/pay/v2/write-xml.ts'
import { readXml } from '../../src/pay/v2/xml.ts'
import { OPENID } from '../helpers/account.ts'
import { openResource } from '../helpers/open-resource.ts'
import { v3Caller } from '../helpers/v3-caller.ts'
import type { Json, V3Caller } from '../helpers/v3-caller.ts'

const SUB = '1900000110'
const REPORTS = [{ info_type: '活动名称', info_content: '新会员' }, { info_type: '奖励说明', info_content: '注册' }]

/** An emulator, a server that receives its notifications, and helpers for calls. */
async function stage (t: Test, options: Parameters<typeof v3Caller>[1] = {}) {
  const caller = await v3Caller(t, { refundDelay: 1, ...options })
  const received: Array<{ event_type: string, summary: string, original_type: string, content: Json }> = []
  const server = createServer((request, reply) => {
    let body = ''
    request.on('data', bytes => { body += String(bytes) })
    request.on('end', () => {
      if (body.startsWith('{')) {
        const message = JSON.parse(body) as { event_type: string, summary: string, resource: { original_type: string } }
        received.push({ event_type: message.event_type, summary: message.summary, original_type: message.resource.original_type, content: JSON.parse(openResource(body, caller.emulator.account.apiV3Key)) as Json })
      } else received.push({ event_type: 'v2', summary: '', original_type: '', content: { ...readXml(Buffer.from(body)) } })
      reply.end(body.startsWith('{') ? '' : '<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/n`
  /** The first notification of a type. */
  async function notified (event: string, which: (content: Json) => boolean = () => true): Promise<typeof received[number]> {
    for (;;) {
      const found = received.find(({ event_type: type, content }) => type === event && which(content))
      if (found) return found
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
  let count = 0
  /** A paid order. */
  async function paid ({ sub = '', amount = 10_000, sharing = false } = {}): Promise<{ number: string, id: string }> {
    const number = `ORDER${String(++count).padStart(6, '0')}`
    const ids = sub === '' ? { appid: caller.appId, mchid: caller.mchId, payer: { openid: OPENID } } : { sp_appid: caller.appId, sp_mchid: caller.mchId, sub_mchid: sub, payer: { sp_openid: OPENID } }
    const { status } = await caller.call('POST', `/v3/pay/${sub === '' ? '' : 'partner/'}transactions/jsapi`, { ...ids, description: 'x', out_trade_no: number, notify_url: url, amount: { total: amount, currency: 'CNY' }, settle_info: { profit_sharing: sharing } })
    if (status !== 200) throw new Error(`not placed: ${status}`)
    const order = await caller.emulator.pay(number, sub === '' ? {} : { subMchId: sub })
    return { number, id: order.transaction_id }
  }
  /** Calls the control interface. */
  async function control (path: string, payload: object = {}) {
    const reply = await caller.emulator.app.inject({ method: 'POST', url: `/_emulator${path}`, payload })
    return { status: reply.statusCode, json: reply.json<Json>() }
  }
  const { publicKey, publicKeyId } = caller.emulator.bothConfig.merchant.v3 as { publicKey: string, publicKeyId: string }
  const sealed = (text: string) => publicEncrypt({ key: createPublicKey(publicKey), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, Buffer.from(text)).toString('base64')
  const named = { 'wechatpay-serial': publicKeyId }
  const opened = (text: string) => privateDecrypt({ key: caller.emulator.bothConfig.merchant.v3.privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, Buffer.from(text, 'base64')).toString()
  return { ...caller, received, url, notified, paid, control, sealed, named, opened }
}

type Stage = Awaited<ReturnType<typeof stage>>

const settled = async (look: () => Promise<Json>, done: (json: Json) => boolean): Promise<Json> => {
  for (;;) {
    const json = await look()
    if (done(json)) return json
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

async function shareFlow (t: Test, { call, paid, notified, url, appId, mchId, sealed, named }: Stage, sub: { sub_mchid?: string }) {
  const { id } = await paid({ sharing: true, ...(sub.sub_mchid && { sub: sub.sub_mchid }) })
  const query = (extra = '') => `?transaction_id=${id}${sub.sub_mchid ? `&sub_mchid=${sub.sub_mchid}` : ''}${extra}`
  const receiver = { type: 'PERSONAL_OPENID', account: OPENID, amount: 100, description: '分给' }
  const share = { ...sub, appid: appId, transaction_id: id, out_order_no: `SH${sub.sub_mchid ?? ''}1`, receivers: [receiver], unfreeze_unsplit: false, notify_url: url }
  t.match(await call('POST', '/v3/profitsharing/orders', share), { status: 400, json: { code: 'PARAM_ERROR', message: '分账接收方关系不存在，请检查参数中每个接收方的关系' } })
  t.match(await call('POST', '/v3/profitsharing/receivers/add', { ...sub, appid: appId, type: 'PERSONAL_OPENID', account: OPENID, relation_type: 'STAFF', name: sealed('李雷') }, named), { status: 200, json: { type: 'PERSONAL_OPENID', account: OPENID, relation_type: 'STAFF' } })
  t.match(await call('POST', '/v3/profitsharing/receivers/add', { ...sub, appid: appId, type: 'PERSONAL_OPENID', account: OPENID, relation_type: 'STAFF', name: '李雷' }, named), { status: 400, json: { message: '请确认待处理的消息是否为加密后的密文' } })
  t.match(await call('GET', `/v3/profitsharing/transactions/${id}/amounts`), { json: { transaction_id: id, unsplit_amount: 10_000 } })
  const first = await call('POST', '/v3/profitsharing/orders', share)
  t.match(first, { status: 200, json: { out_order_no: share.out_order_no, order_id: /^3008\d{24}$/, state: 'PROCESSING', receivers: [{ result: 'PENDING', finish_time: '1970-01-01T08:00:00+08:00', detail_id: /./ }] } })
  t.equal((await call('POST', '/v3/profitsharing/orders', share)).json.order_id, first.json.order_id, 'repeating it returns the same')
  t.match(await call('POST', '/v3/profitsharing/orders', { ...share, receivers: [{ ...receiver, amount: 101 }] }), { status: 400, json: { code: 'INVALID_REQUEST' } }, 'the same number with other contents is refused')
  const over = await settled(async () => (await call('GET', `/v3/profitsharing/orders/${share.out_order_no}${query()}`)).json, ({ state }) => state === 'FINISHED')
  t.match(over, { order_id: first.json.order_id, state: 'FINISHED', receivers: [{ result: 'SUCCESS' }] }, 'a share that leaves the rest frozen also finishes')
  const notice = await notified('TRANSACTION.SUCCESS', ({ out_order_no: number }) => number === share.out_order_no)
  t.match(notice, { summary: '分账', original_type: 'transaction', content: { order_id: first.json.order_id, receiver: { amount: 100 } } }, 'a payment\'s envelope, distinguished by its summary')
  t.match(await call('POST', '/v3/profitsharing/orders', { ...share, out_order_no: 'SHmuch', receivers: [{ ...receiver, amount: 2901 }] }), { status: 403, json: { code: 'RULE_LIMIT', message: '分账金额超出最大分账比例' } })
  const back = { ...sub, out_order_no: share.out_order_no, out_return_no: `RT${sub.sub_mchid ?? ''}1`, return_mchid: mchId, amount: 40, description: '退回' }
  const returned = await call('POST', '/v3/profitsharing/return-orders', back)
  t.match(returned, { status: 200, json: { order_id: first.json.order_id, return_id: /./, amount: 40, result: 'SUCCESS', description: '退回' } })
  t.match(await call('POST', '/v3/profitsharing/return-orders', { ...back, amount: 41 }), { status: 400 })
  t.match(await call('POST', '/v3/profitsharing/return-orders', { ...back, out_return_no: 'RTmuch', amount: 61 }), { status: 403, json: { code: 'NOT_ENOUGH' } }, 'no more than the share can be returned')
  t.match((await call('GET', `/v3/profitsharing/return-orders/${back.out_return_no}?out_order_no=${share.out_order_no}${sub.sub_mchid ? `&sub_mchid=${sub.sub_mchid}` : ''}`)).json, { return_id: returned.json.return_id })
  await notified('TRANSACTION.SUCCESS', ({ out_return_no: number }) => number === back.out_return_no)
  t.match(await call('POST', '/v3/profitsharing/orders/unfreeze', { ...sub, transaction_id: id, out_order_no: `UF${sub.sub_mchid ?? ''}1`, description: '解冻' }), { status: 200, json: { state: 'FINISHED' } })
  t.match((await call('GET', `/v3/profitsharing/transactions/${id}/amounts`)).json, { unsplit_amount: 0 })
  t.match(await call('POST', '/v3/profitsharing/orders', { ...share, out_order_no: 'SHlate' }), { status: 403, json: { message: '分账金额不足' } })
  t.match(await call('POST', '/v3/profitsharing/receivers/delete', { ...sub, appid: appId, type: 'PERSONAL_OPENID', account: OPENID }), { status: 200 })
}

t.test('profit sharing, v3', async t => {
  const it = await stage(t, { subMerchants: [{ subMchId: SUB }] })
  await shareFlow(t, it, {})
  await shareFlow(t, it, { sub_mchid: SUB })
  const { id } = await it.paid()
  t.match(await it.call('POST', '/v3/profitsharing/orders', { transaction_id: id, out_order_no: 'SHnone', receivers: [], unfreeze_unsplit: true }), { status: 400, json: { message: '非分账订单不支持分账' } })
  t.match(await it.call('POST', '/v3/profitsharing/orders', { sub_mchid: '1', transaction_id: id, out_order_no: 'SHnone', receivers: [], unfreeze_unsplit: true }), { status: 403, json: { code: 'NO_AUTH', message: '无分账权限' } })
  t.match((await it.call('GET', `/v3/profitsharing/merchant-configs/${SUB}`)).json, { sub_mchid: SUB, max_ratio: 3000 })
  const today = new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10)
  const bill = await it.call('GET', `/v3/profitsharing/bills?bill_date=${today}`)
  const path = new URL(bill.json.download_url).pathname + new URL(bill.json.download_url).search
  t.equal(createHash('sha1').update((await it.call('GET', path)).body).digest('hex'), bill.json.hash_value)
  t.match(await it.call('GET', '/v3/profitsharing/bills?bill_date=2020-01-01'), { status: 400, json: { code: 'NO_STATEMENT_EXIST' } })
  t.match(await it.call('GET', '/v3/profitsharing/orders/none?transaction_id=1'), { status: 404 })
  t.match(await it.call('GET', '/v3/profitsharing/orders/none'), { status: 400, json: { detail: { location: 'uri_template' } } })
})

t.test('profit sharing and refunds of a platform', async t => {
  const { call, paid, appId, mchId, emulator } = await stage(t, { subMerchants: [{ subMchId: SUB }] })
  const { id } = await paid({ sub: SUB, sharing: true })
  const base = '/v3/ecommerce/profitsharing'
  t.match(await call('POST', `${base}/receivers/add`, { appid: appId, type: 'PERSONAL_OPENID', account: OPENID, relation_type: 'PERSONAL_OPENID' }), { status: 200 })
  const share = { appid: appId, sub_mchid: SUB, transaction_id: id, out_order_no: 'EC1', receivers: [{ type: 'PERSONAL_OPENID', receiver_account: OPENID, amount: 100, description: '佣金' }], finish: false }
  const made = await call('POST', `${base}/orders`, share)
  t.match(made, { status: 200, json: { status: 'PROCESSING', receivers: [{ receiver_account: OPENID }] } })
  t.match((await call('GET', `${base}/orders?sub_mchid=${SUB}&transaction_id=${id}&out_order_no=EC1`)).json, { order_id: made.json.order_id })
  t.match((await call('GET', `${base}/orders/${id}/amounts`)).json, { unsplit_amount: 9900 })
  t.match(await call('POST', `${base}/returnorders`, { sub_mchid: SUB, out_order_no: 'EC1', out_return_no: 'ECR1', return_mchid: mchId, amount: 50, description: '退' }), { status: 200, json: { result: 'SUCCESS', return_no: /./ } })
  t.match((await call('GET', `${base}/returnorders?sub_mchid=${SUB}&out_return_no=ECR1&out_order_no=EC1`)).json, { amount: 50 })
  t.match(await call('POST', `${base}/finish-order`, { sub_mchid: SUB, transaction_id: id, out_order_no: 'ECF1', description: '完' }), { status: 200, json: { order_id: /./ } })
  t.match(await call('POST', `${base}/receivers/delete`, { appid: appId, type: 'PERSONAL_OPENID', account: OPENID }), { status: 200 })
  const refund = { sub_mchid: SUB, sp_appid: appId, combine_transaction_id: id, transaction_id: id, out_refund_no: 'ECRF1', amount: { refund: 10, total: 10_000, currency: 'CNY' }, funds_account: 'AVAILABLE' }
  const given = await call('POST', '/v3/ecommerce/refunds/apply', refund)
  t.match(given, { status: 200, json: { out_refund_no: 'ECRF1', amount: { refund: 10 } } })
  t.match((await call('GET', `/v3/ecommerce/refunds/id/${given.json.refund_id}?sub_mchid=${SUB}`)).json, { out_refund_no: 'ECRF1' })
  await emulator.settleRefund('ECRF1', 'CHANGE')
  t.match((await call('GET', `/v3/ecommerce/refunds/out-refund-no/ECRF1?sub_mchid=${SUB}`)).json, { status: 'ABNORMAL' })
  t.match(await call('POST', `/v3/ecommerce/refunds/${given.json.refund_id}/apply-abnormal-refund`, { sub_mchid: SUB, out_refund_no: 'ECRF1', type: 'USER_BANK_CARD' }), { status: 200, json: { status: 'PROCESSING' } })
  t.match(await call('POST', `${base}/orders`, { ...share, sub_mchid: '1' }), { status: 403 })
})

t.test('transfers: each state, with notifications for final ones', async t => {
  const it = await stage(t)
  const { call, control, notified, url, appId, emulator, sealed, named } = it
  const base = '/v3/fund-app/mch-transfer/transfer-bills'
  const bill = (number: string, change: object = {}) => ({ appid: appId, out_bill_no: number, transfer_scene_id: '1000', openid: OPENID, transfer_amount: 2000, transfer_remark: '奖励', notify_url: url, transfer_scene_report_infos: REPORTS, ...change })
  for (const infos of [undefined, [], [REPORTS[0]], [{ info_type: '岗位类型', info_content: 'x' }, { info_type: '报酬说明', info_content: 'x' }], [{ info_type: '活动名称' }, REPORTS[1]]]) {
    t.match(await call('POST', base, bill('TB00000', { transfer_scene_report_infos: infos })), { status: 400, json: { code: 'PARAM_ERROR', message: '未传入完整且对应的转账场景报备信息，请根据接口文档检查' } })
  }
  t.match(await call('POST', base, bill('TB00000', { transfer_scene_id: '1005', transfer_scene_report_infos: [{ info_type: '岗位类型', info_content: '骑手' }, { info_type: '报酬说明', info_content: '佣金' }] })), { status: 200 })
  t.match(await call('POST', base, bill('TB00001', { transfer_remark: undefined })), { status: 400, json: { code: 'PARAM_ERROR' } })
  t.match(await call('POST', base, bill('TB00001', { transfer_remark: 'x'.repeat(33) })), { status: 400 })
  t.match(await call('POST', base, bill('TB00001', { user_name: '李雷' }), named), { json: { code: 'PARAM_ERROR', message: '请确认待处理的消息是否为加密后的密文' } })
  t.match(await call('POST', base, bill('TB00001', { user_name: sealed('李雷'), transfer_amount: 29 }), named), { status: 400 })
  const states = ['ACCEPTED', 'PROCESSING', 'WAIT_USER_CONFIRM', 'TRANSFERING', 'CANCELING'] as const
  const before = emulator.order('none')
  t.equal(before, undefined)
  const made = await call('POST', base, bill('TB00001', { user_name: sealed('李雷') }), named)
  t.match(made, { status: 200, json: { state: 'WAIT_USER_CONFIRM', package_info: /./ } })
  t.same((await call('POST', base, bill('TB00001', { user_name: sealed('李雷') }), named)).json, made.json, 'repeating it returns the same, including package_info')
  for (const state of states) {
    t.match(await control('/transfers/TB00001/settle', { state }), { status: 200 })
    t.match((await call('GET', `${base}/out-bill-no/TB00001`)).json, { state, update_time: /\+08:00$/, user_name: /./ })
  }
  await emulator.settleTransfer('TB00001', 'FAIL', 'PAYEE_ACCOUNT_ABNORMAL')
  const failed = await notified('MCHTRANSFER.BILL.FINISHED')
  t.match(failed, { summary: '商家转账单据终态通知', original_type: 'mch_payment', content: { state: 'FAIL', fail_reason: 'PAYEE_ACCOUNT_ABNORMAL' } })
  t.same(Object.keys(failed.content).filter(name => name !== 'fail_reason'), ['mch_id', 'out_bill_no', 'transfer_bill_no', 'transfer_amount', 'state', 'openid', 'create_time', 'update_time', 'mchid'])
  t.match(await control('/transfers/TB00001/settle', { state: 'SUCCESS' }), { status: 409 }, 'final states do not change')
  const balance = async () => (await call('GET', '/v3/merchant/fund/balance/BASIC')).json.available_amount as number
  const full = await balance()
  await call('POST', base, bill('TB00002'))
  t.equal(await balance(), full - 2000)
  t.match(await call('POST', `${base}/out-bill-no/TB00002/cancel`), { status: 200, json: { state: 'CANCELLED', update_time: /./ } }, 'a POST without a body')
  t.equal(await balance(), full, 'unpaid amounts return to the balance')
  await notified('MCHTRANSFER.BILL.FINISHED', ({ state }) => state === 'CANCELLED')
  const third = await call('POST', base, bill('TB00003'))
  await emulator.confirmTransfer('TB00003')
  t.match((await call('GET', `${base}/transfer-bill-no/${third.json.transfer_bill_no}`)).json, { state: 'SUCCESS' })
  t.match(await call('POST', `${base}/out-bill-no/TB00003/cancel`), { status: 400 })
  for (const [name, number] of [['out-bill-no', 'TB00003'], ['transfer-bill-no', third.json.transfer_bill_no as string]] as const) {
    const elecsign = `/v3/fund-app/mch-transfer/elecsign/${name}`
    t.match(await call('POST', elecsign, { [name.replaceAll('-', '_')]: number }), { status: 200, json: { state: 'GENERATING' } })
    const receipt = (await call('GET', `${elecsign}/${number}`)).json
    const file = new URL(receipt.download_url)
    const fetched = await emulator.app.inject({ url: file.pathname + file.search, headers: { authorization: await authorization('GET', file.pathname + file.search, '', it.signer) } })
    t.match(fetched.body, /^%PDF/)
    t.equal(createHash('sha256').update(fetched.rawPayload).digest('hex'), receipt.hash_value)
  }
  t.match(await call('POST', '/v3/fund-app/mch-transfer/elecsign/out-bill-no', { out_bill_no: 'TB00001' }), { status: 400 }, 'no receipt before payment')
})

t.test('transfers to an authorized receiver need no confirmation', async t => {
  const { call, control, notified, url, appId, emulator } = await stage(t, { subMerchants: [{ subMchId: SUB }] })
  const base = '/v3/fund-app/mch-transfer'
  const authorizationRequest = { out_authorization_no: 'AUTH00001', appid: appId, openid: OPENID, transfer_scene_id: '1000', user_display_name: '李雷', authorization_notify_url: url }
  const bill = { appid: appId, out_bill_no: 'TA00001', transfer_scene_id: '1000', transfer_amount: 100, transfer_remark: 'x', notify_url: url, transfer_scene_report_infos: REPORTS }
  t.match(await call('POST', `${base}/user-confirm-authorization`, authorizationRequest), { status: 200, json: { state: 'WAIT_USER_CONFIRM', package_info: /./ } })
  t.match(await call('POST', `${base}/transfer-bills/transfer`, { ...bill, out_authorization_no: 'AUTH00001' }), { status: 400 }, 'not yet')
  t.match(await control('/authorizations/AUTH00001/settle', { state: 'TAKING_EFFECT' }), { status: 200 })
  await notified('MCHTRANSFER.AUTHORIZATION.CONFIRMED')
  const known = (await call('GET', `${base}/user-confirm-authorization/out-authorization-no/AUTH00001`)).json
  t.match(known, { state: 'TAKING_EFFECT', authorization_id: /./ })
  t.match(await call('POST', `${base}/transfer-bills/transfer`, { ...bill, authorization_id: known.authorization_id }), { status: 200, json: { state: 'SUCCESS' } })
  await notified('MCHTRANSFER.BILL.FINISHED')
  t.match(await call('POST', `${base}/user-confirm-authorization/out-authorization-no/AUTH00001/close`), { status: 200, json: { state: 'CLOSED', close_info: { close_reason: 'CLOSE_VIA_MCH_API' } } })
  await notified('MCHTRANSFER.AUTHORIZATION.CLOSED')
  t.match(await call('POST', `${base}/transfer-bills/transfer`, { ...bill, out_bill_no: 'TA00002', authorization_id: known.authorization_id }), { status: 400 })
  const asking = { ...bill, out_bill_no: 'TA00003', openid: OPENID, authorization_info: { user_display_name: '李雷', out_authorization_no: 'AUTH00002', authorization_notify_url: url } }
  t.match(await call('POST', `${base}/transfer-bills/pre-transfer-with-authorization`, asking), { status: 200, json: { out_authorization_no: 'AUTH00002' } })
  await emulator.confirmTransfer('TA00003')
  t.match((await call('GET', `${base}/user-confirm-authorization/out-authorization-no/AUTH00002`)).json, { state: 'TAKING_EFFECT' }, 'granted with the first transfer')

  const partner = `${base}/partner`
  t.match(await call('POST', `${partner}/sub-mch-authorizations`, { sub_mchid: SUB, out_apply_no: 'AP1' }), { status: 200, json: { state: 'PASSED' } })
  t.match((await call('GET', `${partner}/sub-mch-authorizations/${SUB}`)).json, { state: 'AUTHORIZED' })
  t.match(await call('POST', `${partner}/transfer-bills`, { sub_mchid: SUB, ...bill, out_bill_no: 'TP00001', openid: OPENID }), { status: 200, json: { sub_mchid: SUB, package_info: /./ } })
  t.match(await call('POST', `${partner}/transfer-bills`, { sub_mchid: '1', ...bill, out_bill_no: 'TP00001', openid: OPENID }), { status: 403 })
  t.match((await call('GET', `${partner}/transfer-bills/out-bill-no/TP00001?sub_mchid=${SUB}`)).json, { state: 'WAIT_USER_CONFIRM' })
  t.match(await call('POST', `${partner}/transfer-bills/out-bill-no/TP00001/cancel`, { sub_mchid: SUB }), { status: 200, json: { state: 'CANCELLED' } })
  const { authorization_notify_url: notifyUrl, ...rest } = authorizationRequest
  t.match(await call('POST', `${partner}/user-confirm-authorizations`, { ...rest, out_authorization_no: 'AUTH00003', notify_url: notifyUrl }), { status: 200 })
  await control('/authorizations/AUTH00003/settle', { state: 'TAKING_EFFECT' })
  const theirs = (await call('GET', `${partner}/user-confirm-authorizations/AUTH00003`)).json
  t.match(await call('POST', `${partner}/transfer-bills/transfer`, { sub_mchid: SUB, ...bill, out_bill_no: 'TP00002', authorization_id: theirs.authorization_id }), { status: 200, json: { state: 'SUCCESS' } })
  t.match(await call('POST', `${partner}/transfer-bills/pre-transfer-with-authorization`, { sub_mchid: SUB, ...asking, out_bill_no: 'TP00003', authorization_info: { ...asking.authorization_info, out_authorization_no: 'AUTH00004' } }), { status: 200, json: { package_info: /./ } })
  t.match(await call('POST', `${partner}/user-confirm-authorizations/AUTH00003/close`), { status: 200 })
  t.match(await call('POST', `${partner}/electronic-receipts`, { sub_mchid: SUB, out_bill_no: 'TP00002' }), { status: 200, json: { state: 'GENERATING' } })
  t.match((await call('GET', `${partner}/electronic-receipts/TP00002?sub_mchid=${SUB}`)).json, { state: 'FINISHED', download_url: /signfile/ })

  const qq = `${base}/transfer-to-qq-wallet-bills`
  t.match(await call('POST', qq, { ...bill, out_bill_no: 'QQ00001', openid: OPENID, transfer_scene_id: '1401' }), { status: 200, json: { state: 'WAIT_USER_CONFIRM' } })
  t.match((await call('GET', `${qq}/QQ00001`)).json, { out_bill_no: 'QQ00001' })
  t.match(await call('POST', `${qq}/QQ00001/cancel`), { status: 200, json: { state: 'CANCELLED' } })
  t.match(await call('POST', `${base}/transfer-bills`, { ...bill, out_bill_no: 'TQ00001', openid: OPENID }), { status: 200 })
  t.match(await call('POST', qq, { ...bill, out_bill_no: 'TQ00001', openid: OPENID, transfer_scene_id: '1401' }), { status: 200 })
  t.match(await call('POST', `${qq}/TQ00001/cancel`), { status: 200, json: { state: 'CANCELLED' } })
  t.match((await call('GET', `${base}/transfer-bills/out-bill-no/TQ00001`)).json, { state: 'WAIT_USER_CONFIRM' }, 'a transfer to a QQ wallet may have the number of another transfer')
})

t.test('batches of transfers', async t => {
  const { call, control, notified, url, appId, sealed, named } = await stage(t, { timeScale: 60 })
  const detail = (number: string, amount: number) => ({ out_detail_no: number, transfer_amount: amount, transfer_remark: 'x', openid: OPENID, user_name: sealed('李雷') })
  const batch = { appid: appId, out_batch_no: 'BATCH0001', batch_name: 'n', batch_remark: 'r', total_amount: 300, total_num: 2, transfer_detail_list: [detail('D00001', 100), detail('D00002', 200)], transfer_scene_id: '1000', notify_url: url }
  t.match(await call('POST', '/v3/transfer/batches', { ...batch, total_amount: 0.1 }, named), { status: 400, json: { code: 'PARAM_ERROR', detail: { location: 'body', value: 0.1 }, message: '无法将 JSON 输入源“/body/total_amount”映射到目标字段“转账总金额”中，此字段需要一个合法的 64 位有符号整数' } }, 'yansongda/pay 550')
  t.match(await call('POST', '/v3/transfer/batches', { ...batch, total_amount: 301 }, named), { status: 400 })
  const made = await call('POST', '/v3/transfer/batches', batch, named)
  t.match(made, { status: 200, json: { out_batch_no: 'BATCH0001', batch_status: 'ACCEPTED' } })
  t.match(await control('/batches/BATCH0001/settle', { failing: ['D00002'] }), { status: 200 })
  t.match(await notified('MCHTRANSFER.BATCH.FINISHED'), { content: { success_num: 1, success_amount: 100, fail_num: 1, fail_amount: 200 } })
  for (const path of ['out-batch-no/BATCH0001', `batch-id/${made.json.batch_id}`]) {
    const { json } = await call('GET', `/v3/transfer/batches/${path}?need_query_detail=true&detail_status=FAIL`)
    t.match(json, { transfer_batch: { batch_status: 'FINISHED' }, transfer_detail_list: [{ out_detail_no: 'D00002', detail_status: 'FAIL' }] })
    const end = path.startsWith('out') ? 'out-detail-no/D00002' : `detail-id/${json.transfer_detail_list[0].detail_id}`
    t.match((await call('GET', `/v3/transfer/batches/${path}/details/${end}`)).json, { detail_status: 'FAIL', fail_reason: /./ })
  }
  t.match(await call('POST', '/v3/transfer/bill-receipt', { out_batch_no: 'BATCH0001' }), { status: 200 })
  t.match((await call('GET', '/v3/transfer/bill-receipt/BATCH0001')).json, { signature_status: 'FINISHED', download_url: /token=/ })
  const receiptRequest = { accept_type: 'BATCH_TRANSFER', out_batch_no: 'BATCH0001', out_detail_no: 'D00001' }
  t.match(await call('POST', '/v3/transfer-detail/electronic-receipts', receiptRequest), { status: 200 })
  const receipt = (await call('GET', '/v3/transfer-detail/electronic-receipts?accept_type=BATCH_TRANSFER&out_batch_no=BATCH0001&out_detail_no=D00001')).json
  const token = new URL(receipt.download_url).search
  for (const path of ['signfile', 'elecvoucherfile']) t.match(await call('GET', `/v3/transferdownload/${path}${token}&source=x`), { status: 200, body: /^%PDF/ })
  await call('POST', '/v3/transfer/batches', { ...batch, out_batch_no: 'BATCH0002' }, named)
  await control('/batches/BATCH0002/settle', { closeReason: 'OVERDUE_CLOSE' })
  await notified('MCHTRANSFER.BATCH.CLOSED')
})

t.test('complaints: from filing to completion, with notifications, history and images', async t => {
  const { call, control, notified, url, paid, emulator, mchId, opened, signer } = await stage(t)
  const settings = '/v3/merchant-service/complaint-notifications'
  t.match(await call('GET', settings), { status: 404 })
  t.match((await call('POST', settings, { url: 'http://127.0.0.1:1/old' })).json, { mchid: mchId, url: 'http://127.0.0.1:1/old' })
  t.match(await call('POST', settings, { url }), { status: 400 })
  t.match((await call('PUT', settings, { url })).json, { mchid: mchId, url })
  t.same(Object.keys((await call('GET', settings)).json), ['mchid', 'url'])
  const { number, id: transaction } = await paid()
  const id = await emulator.complain(number, { detail: '没有收到货' })
  const first = await notified('COMPLAINT.CREATE')
  t.same(Object.keys(first.content), ['out_trade_no', 'complaint_time', 'amount', 'payer_phone', 'complaint_detail', 'complaint_state', 'transaction_id', 'complaint_handle_state', 'action_type', 'complaint_id'], 'as recorded once')
  t.match(first.content, { complaint_state: 'PAYER_COMPLAINTED', complaint_handle_state: 'WAIT_MERCHANT_RESPONSE', action_type: 'CREATE_COMPLAINT', complaint_id: id, transaction_id: transaction })
  t.equal(opened(first.content.payer_phone), '13800000000', 'encrypted for the merchant')
  const today = new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10)
  const cases = '/v3/merchant-service/complaints-v2'
  t.match((await call('GET', `${cases}?begin_date=${today}&end_date=${today}&complainted_mchid=${mchId}`)).json, { total_count: 1, data: [{ complaint_id: id, complaint_state: 'PENDING', incoming_user_response: true }] })
  t.match(await call('GET', `${cases}?begin_date=${today}`), { status: 400 })
  t.match(await call('POST', `${cases}/${id}/complete`, { complainted_mchid: mchId }), { status: 400 }, 'not answered yet')

  const picture = Buffer.from('89504e470d0a1a0a00', 'hex')
  const meta = JSON.stringify({ filename: 'p.png', sha256: createHash('sha256').update(picture).digest('hex') })
  const form = (boundary: string) => Buffer.concat([Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="meta";\r\nContent-Type: application/json\r\n\r\n${meta}\r\n--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="p.png";\r\nContent-Type: image/png\r\n\r\n`), picture, Buffer.from(`\r\n--${boundary}--\r\n`)])
  const upload = async (path: string, type = 'multipart/form-data; boundary=bb') => await emulator.app.inject({ method: 'POST', url: path, headers: { authorization: await authorization('POST', path, meta, signer), 'content-type': type }, payload: form('bb') })
  const uploaded = await upload('/v3/merchant-service/images/upload')
  const { media_id: mediaId } = uploaded.json<{ media_id: string }>()
  t.same((await emulator.app.inject({ url: `/v3/merchant-service/images/${mediaId}`, headers: { authorization: await authorization('GET', `/v3/merchant-service/images/${mediaId}`, '', signer) } })).rawPayload, picture)
  t.match((await upload('/v3/marketing/favor/media/image-upload')).json(), { media_url: /^https:/ })
  t.match((await upload('/v3/merchant/media/upload')).json(), { media_id: /./ })
  t.match(await upload('/v3/merchant/media/upload', 'multipart/form-data'), { statusCode: 401 }, 'without a boundary, meta cannot be found')
  t.match((await emulator.explain()).mistakes, [{ id: 'multipart-boundary' }])
  t.match(await upload('/v3/merchant/media/video_upload'), { statusCode: 400 }, 'not a video')

  t.match(await call('POST', `${cases}/${id}/response`, { complainted_mchid: mchId, response_content: '已补发', response_images: ['none'] }), { status: 400 })
  t.match(await call('POST', `${cases}/${id}/response`, { complainted_mchid: mchId, response_content: '已补发', response_images: [mediaId] }), { status: 204 })
  await notified('COMPLAINT.STATE_CHANGE', ({ action_type: action }) => action === 'MERCHANT_RESPONSE')
  t.match(await control(`/complaints/${id}/act`, { action: 'continue', detail: '还是没有' }), { status: 200 })
  t.match((await call('GET', `${cases}/${id}`)).json, { complaint_state: 'PROCESSING', incoming_user_response: true, payer_openid: OPENID })
  t.match(await call('POST', `${cases}/${id}/update-refund-progress`, { action: 'APPROVE', launch_refund_day: 1 }), { status: 204 })
  const answer = { complainted_mchid: mchId, idempotent_id: 'I1', message: { blocks: [{ type: 'TEXT', text: { text: '已退款' } }] } }
  const { log_id: log } = (await call('POST', `${cases}/${id}/response-immediate-service`, answer)).json
  t.equal((await call('POST', `${cases}/${id}/response-immediate-service`, answer)).json.log_id, log, 'once')
  t.match(await call('POST', `${cases}/${id}/complete`, { complainted_mchid: mchId }), { status: 204 })
  t.match((await call('GET', `${cases}/${id}`)).json, { complaint_state: 'PROCESSED' })
  const history = (await call('GET', `${cases}/${id}/negotiation-historys?limit=20`)).json
  t.same(history.data.map(({ operate_type: type }: Json) => type), ['MERCHANT_CONFIRM_COMPLETE', 'MERCHANT_RESPONSE', 'MERCHANT_APPROVE_REFUND', 'USER_CONTINUE_COMPLAINT', 'MERCHANT_RESPONSE', 'USER_CREATE_COMPLAINT'])
  t.match(await call('POST', `${cases}/${id}/response`, { complainted_mchid: mchId, response_content: 'x' }), { status: 400 }, 'it is completed')
  t.match(await call('DELETE', settings), { status: 204 })
  t.match(await call('GET', `${cases}/none`), { status: 404 })
})

t.test('funds: balances, withdrawals and their results', async t => {
  const { call, control } = await stage(t, { balance: 5000 })
  const withdraw = { out_request_no: 'W00001', amount: 3000, account_type: 'BASIC', remark: 'r' }
  t.same(Object.keys((await call('GET', '/v3/merchant/fund/balance/BASIC')).json), ['available_amount', 'pending_amount'])
  const made = await call('POST', '/v3/merchant/fund/withdraw', withdraw)
  t.match(made, { status: 200, json: { withdraw_id: /./, out_request_no: 'W00001' } })
  t.same((await call('POST', '/v3/merchant/fund/withdraw', withdraw)).json, made.json)
  t.match(await call('POST', '/v3/merchant/fund/withdraw', { ...withdraw, amount: 3001 }), { status: 400 })
  t.match(await call('POST', '/v3/merchant/fund/withdraw', { ...withdraw, out_request_no: 'W00002' }), { status: 403, json: { code: 'NOT_ENOUGH' } })
  t.match((await call('GET', `/v3/merchant/fund/withdraw/withdraw-id/${made.json.withdraw_id}`)).json, { amount: 3000, account_type: 'BASIC' })
  t.match(await control('/withdrawals/W00001/settle', { status: 'FAIL', reason: '银行账户异常' }), { status: 200 })
  t.match((await call('GET', '/v3/merchant/fund/withdraw/out-request-no/W00001')).json, { status: 'FAIL', reason: '银行账户异常' })
  t.match((await call('GET', '/v3/merchant/fund/balance/BASIC')).json, { available_amount: 5000 })
  const today = new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10)
  t.match(await call('GET', `/v3/merchant/fund/withdraw/bill-type/NO_SUCC?bill_date=${today}`), { status: 200, json: { hash_value: /./ } })
  t.match(await call('GET', '/v3/merchant/fund/dayendbalance/BASIC?date=2024-01-01'), { status: 200 })
  t.match(await call('GET', '/v3/merchant/fund/balance/NONE'), { status: 400 })
})

t.test('payscore: confirmed, used, paid; cancelled; paid elsewhere', async t => {
  const { call, control, notified, url, appId } = await stage(t)
  const base = '/v3/payscore/serviceorder'
  const ids = { appid: appId, service_id: '500001' }
  const order = (number: string, change: object = {}) => ({ ...ids, out_order_no: number, service_introduction: '充电宝', time_range: { start_time: 'OnAccept' }, risk_fund: { name: 'DEPOSIT', amount: 9900 }, notify_url: url, ...change })
  const end = { ...ids, post_payments: [{ name: '租金', amount: 600, count: 1 }], post_discounts: [{ name: '优惠', description: '新人', amount: 100, count: 1 }], total_amount: 500, time_range: { end_time: '20261127100000' } }
  const look = async (number: string) => (await call('GET', `${base}?out_order_no=${number}&service_id=500001&appid=${appId}`)).json
  t.match(await call('POST', base, order('PS00001')), { status: 200, json: { state: 'CREATED', package: /./, order_id: /./ } })
  t.match(await call('POST', base, order('PS00001', { service_introduction: 'x' })), { status: 400 })
  t.match(await call('POST', `${base}/PS00001/complete`, end), { status: 400 }, 'not confirmed')
  t.match(await control('/service-orders/PS00001/confirm'), { status: 200 })
  t.match(await notified('PAYSCORE.USER_CONFIRM'), { content: { state: 'DOING', out_order_no: 'PS00001' } })
  t.match(await call('POST', `${base}/PS00001/send-prepaidmessage`, { service_id: '500001', post_payments: end.post_payments, post_discounts: end.post_discounts, total_amount: 500, prepaid_time: '20261128100000' }), { status: 204 })
  t.match(await call('POST', `${base}/PS00001/complete`, { ...end, total_amount: 501 }), { status: 400 })
  t.match(await call('POST', `${base}/PS00001/complete`, end), { status: 200, json: { state: 'DONE', total_amount: 500, need_collection: true } })
  const paid = await settled(() => look('PS00001'), ({ collection }) => collection?.state === 'USER_PAID')
  t.match(paid, { openid: OPENID, collection: { paid_amount: 500, details: [{ paid_type: 'NEWTON', transaction_id: /^42000/ }] } })
  await notified('PAYSCORE.USER_PAID')

  const slow = await stage(t, { timeScale: 1 })
  const later = async (number: string) => (await slow.call('GET', `${base}?out_order_no=${number}&service_id=500001&appid=${slow.appId}`)).json
  const own = { appid: slow.appId, service_id: '500001' }
  await slow.call('POST', base, order('PS00002', { ...own, notify_url: slow.url, need_user_confirm: false, openid: OPENID }))
  await slow.call('POST', `${base}/PS00002/complete`, { ...end, ...own })
  t.match(await slow.call('POST', `${base}/PS00002/send-pendingmessage`, { service_id: '500001', post_payments: end.post_payments, post_discounts: end.post_discounts, total_amount: 500, prepaid_time: '20261128100000' }), { status: 204 })
  t.match(await slow.call('POST', `${base}/PS00002/modify`, { ...own, post_payments: [{ name: '租金', amount: 400 }], total_amount: 400, reason: '客诉' }), { status: 200, json: { total_amount: 400 } })
  t.match(await slow.call('POST', `${base}/PS00002/pay`, own), { status: 200, json: { order_id: /./ } })
  t.match(await slow.call('POST', `${base}/PS00002/sync`, { ...own, type: 'Order_Paid', detail: { paid_time: '20261127110000' } }), { status: 200, json: { collection: { state: 'USER_PAID', details: [{ paid_type: 'MCH' }] } } })
  await slow.call('POST', base, order('PS00003', { ...own }))
  t.match(await slow.call('POST', `${base}/PS00003/cancel`, { ...own, reason: '取消' }), { status: 200 })
  t.match(await later('PS00003'), { state: 'REVOKED' })
  t.match(await slow.call('POST', `${base}/direct-complete`, { ...own, out_order_no: 'PS00004', service_introduction: '停车', post_payments: [{ name: '停车费', amount: 700 }], total_amount: 700, time_range: { start_time: '20261127080000', end_time: '20261127100000' }, notify_url: slow.url, openid: OPENID }), { status: 200, json: { state: 'DONE', total_amount: 700 } })
  t.match(await slow.control('/service-orders/PS00004/pay'), { status: 200 })
  t.match(await later('none'), { code: 'ORDER_NOT_EXIST' })
})

t.test('combined orders by transaction id, and an individual seller\'s', async t => {
  const { call, emulator, appId, mchId, url } = await stage(t, { subMerchants: [{ subMchId: SUB }] })
  const part = (number: string) => ({ mchid: mchId, out_trade_no: number, amount: { total_amount: 10, currency: 'CNY' }, attach: 'a', description: 'd', individual_auth_id: '1900000000000001' })
  const order = { combine_appid: appId, combine_mchid: mchId, combine_out_trade_no: 'COMB00001', combine_payer_info: { openid: OPENID }, sub_orders: [part('CPART00001'), part('CPART00002')], notify_url: url }
  t.match(await call('POST', '/v3/combine-transactions/miniprogram', order), { status: 200, json: { prepay_id: /^wx/ } })
  await emulator.payCombined('COMB00001')
  const { combine_transaction_id: id } = (await call('GET', '/v3/combine-transactions/out-trade-no/COMB00001')).json
  t.match((await call('GET', `/v3/combine-transactions/id/${id}`)).json, { combine_out_trade_no: 'COMB00001', sub_orders: [{ individual_auth_id: '1900000000000001', trade_state: 'SUCCESS' }, {}] })
  t.match(await call('GET', '/v3/combine-transactions/id/none'), { status: 404 })

  const parts = [part('CPART00003'), part('CPART00004')].map(({ individual_auth_id: _id, ...rest }) => ({ ...rest, sub_mchid: SUB }))
  t.match(await call('POST', '/v3/combine-transactions/jsapi', { ...order, combine_out_trade_no: 'COMB00002', sub_orders: parts.map(rest => ({ ...rest, sub_mchid: '1' })) }), { status: 400 })
  t.match(await call('POST', '/v3/combine-transactions/jsapi', { ...order, combine_out_trade_no: 'COMB00002', sub_orders: parts }), { status: 200 })
  await emulator.payCombined('COMB00002')
  t.match((await call('GET', '/v3/combine-transactions/out-trade-no/COMB00002')).json, { sub_orders: [{ sub_mchid: SUB, trade_state: 'SUCCESS' }, { sub_mchid: SUB }] }, 'orders of a platform\'s merchants are separate')
  t.match((await call('GET', `/v3/pay/partner/transactions/out-trade-no/CPART00003?sp_mchid=${mchId}&sub_mchid=${SUB}`)).json, { trade_state: 'SUCCESS' })
})

t.test('a merchant\'s fund flow, encrypted for its provider', async t => {
  const it = await stage(t, { subMerchants: [{ subMchId: SUB }] })
  await it.paid({ sub: SUB, amount: 1234 })
  const order = it.emulator.order(`${SUB}/ORDER000001`) as { time_end: string }
  // The day is over, and its bill is ready.
  order.time_end = '20240102120000'
  const { json } = await it.call('GET', `/v3/bill/sub-merchant-fundflowbill?sub_mchid=${SUB}&bill_date=2024-01-02&account_type=BASIC&algorithm=AEAD_AES_256_GCM`)
  const [file] = json.download_bill_list
  const address = new URL(file.download_url)
  const bytes = (await it.emulator.app.inject({ url: address.pathname + address.search, headers: { authorization: await authorization('GET', address.pathname + address.search, '', it.signer) } })).rawPayload
  const decipher = createDecipheriv('aes-256-gcm', it.opened(file.encrypt_key), file.nonce, { authTagLength: 16 }).setAuthTag(bytes.subarray(-16))
  const text = Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString()
  t.match(text, /`收入,`12.34,/)
  t.equal(createHash('sha1').update(text).digest('hex'), file.hash_value)
})

t.test('v2: contracts, bank cards, the remaining amount to share', async t => {
  const { emulator, notified, url, paid } = await stage(t)
  const { account } = emulator
  const post = async (path: string, fields: Record<string, string>, signType: 'MD5' | 'HMAC-SHA256' = 'MD5') => {
    const all: Record<string, string> = { mch_id: account.mchId, nonce_str: 'n', ...(signType === 'HMAC-SHA256' && { sign_type: signType }), ...fields }
    const reply = await emulator.app.inject({ method: 'POST', url: path, payload: writeXml({ ...all, sign: signV2(all, account.apiKey, signType) }) })
    return { ...readXml(reply.rawPayload) } as Record<string, string>
  }
  const order = { appid: account.appId, body: 'x', out_trade_no: 'CONTRACT01', total_fee: '100', spbill_create_ip: '127.0.0.1', notify_url: url, trade_type: 'JSAPI', openid: OPENID }
  const contract = { contract_mchid: account.mchId, contract_appid: account.appId, plan_id: '123', contract_code: 'CC1', request_serial: '1', contract_display_account: '李雷', contract_notify_url: url }
  t.match(await post('/pay/contractorder', { ...order, ...contract }), { result_code: 'SUCCESS', contract_result_code: 'SUCCESS', prepay_id: /^wx/, contract_code: 'CC1' })
  t.match(await post('/pay/contractorder', { ...order, out_trade_no: 'CONTRACT02', ...contract }), { result_code: 'FAIL' })
  await emulator.pay('CONTRACT01')
  const signed = await notified('v2', ({ change_type: type }) => type === 'ADD')
  t.match(signed.content, { contract_code: 'CC1', contract_id: /./, openid: OPENID })
  const taken = { appid: account.appId, body: 'x', out_trade_no: 'PAP0000001', total_fee: '50', spbill_create_ip: '127.0.0.1', notify_url: url, trade_type: 'PAP' }
  t.match(await post('/pay/pappayapply', { ...taken, contract_id: 'none' }), { err_code: 'CONTRACT_NOT_EXIST' })
  t.match(await post('/pay/pappayapply', { ...taken, contract_id: signed.content.contract_id }), { result_code: 'SUCCESS' })
  await notified('v2', ({ out_trade_no: number }) => number === 'PAP0000001')
  t.match(await post('/pay/paporderquery', { appid: account.appId, out_trade_no: 'PAP0000001' }), { trade_state: 'SUCCESS', trade_type: 'PAP' })

  const { id } = await paid({ sharing: true })
  t.match(await post('/pay/profitsharingorderamountquery', { transaction_id: id }, 'HMAC-SHA256'), { unsplit_amount: '10000' })
  t.match(await post('/pay/profitsharingmerchantratioquery', {}, 'HMAC-SHA256'), { max_ratio: '3000' })
  t.match(await post('/pay/profitsharingreturnquery', { appid: account.appId, out_return_no: 'none', out_order_no: 'x' }, 'HMAC-SHA256'), { result_code: 'FAIL' })
})

export type { V3Caller }
