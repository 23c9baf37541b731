/**
 * Each typed call for a sub-merchant contains its id where the API descriptions require it: without it, the call
 * would move the provider's own money. The emulator refuses members that the descriptions do not have, and requires
 * those that they list as required.
 */
import t from 'tap'
import type { Test } from 'tap'
import { createPay } from '../../../src/pay/pay.ts'
import { readXml } from '../../../src/pay/v2/xml.ts'
import type { Call } from '../../../plugins/emulator/server/emulator.ts'
import { OPENID, testEmulator } from '../../helpers/account.ts'

const SUB = { subMchId: '1900000110', subAppId: 'wxsub0000000000001' }
const REPORTS = [{ info_type: '活动名称', info_content: '活动' }, { info_type: '奖励说明', info_content: '奖励' }]

async function stage (t: Test, version: 'v2' | 'v3') {
  const emulator = await testEmulator(t, { subMerchants: [SUB], refundDelay: 0.001, balance: 1_000_000 })
  const { merchant, ...rest } = emulator.bothConfig
  const provider = createPay({ ...rest, version, merchant: { ...merchant, notifyUrl: 'http://127.0.0.1:9/n' } })
  t.teardown(provider.disconnect)
  const calls = async () => await Promise.all(((await emulator.app.inject('/_emulator/calls')).json() as Array<{ id: string }>).map(async ({ id }) => (await emulator.app.inject(`/_emulator/calls/${id}`)).json<Call>()))
  return { emulator, pay: provider.forSubMerchant(SUB), calls, subMchId: SUB.subMchId }
}

/** Exceptions in the descriptions: combined orders are queried by the combined number, remaining amounts by transaction id, and a download URL identifies the file. */
const NAMES_NOBODY = /^\/v3\/(?:combine-transactions\/out-trade-no\/[^/?]+$|profitsharing\/transactions\/\d+\/amounts$|transferdownload\/)/

const paid = async (emulator: Awaited<ReturnType<typeof testEmulator>>, outTradeNo: string) => await emulator.pay(outTradeNo, { subMchId: SUB.subMchId })

t.test('v3', async t => {
  const { emulator, pay, calls, subMchId } = await stage(t, 'v3')
  const order = { description: '咖啡', amount: 1000, openid: OPENID, clientIp: '203.0.113.7' }
  t.ok(await pay.jsapi({ ...order, outTradeNo: 'PV3-jsapi', profitSharing: true }))
  t.ok(await pay.miniProgram({ ...order, outTradeNo: 'PV3-mini' }))
  t.ok(await pay.app({ ...order, outTradeNo: 'PV3-app' }))
  t.ok(await pay.native({ ...order, outTradeNo: 'PV3-native' }))
  t.ok(await pay.h5({ ...order, outTradeNo: 'PV3-h5' }))
  await pay.close('PV3-native')
  const { transaction_id: transactionId } = await paid(emulator, 'PV3-jsapi')
  t.match(await pay.query({ outTradeNo: 'PV3-jsapi' }), { state: 'SUCCESS', subMchId })
  t.match(await pay.query({ transactionId }), { state: 'SUCCESS', subMchId })
  t.match(await pay.micropay({ ...order, outTradeNo: 'PV3-code', authCode: await emulator.authCode('pays') }), { state: 'SUCCESS', subMchId })

  const { profitSharing } = pay.v3
  await profitSharing.addReceiver({ type: 'PERSONAL_OPENID', account: OPENID, relation: 'STAFF' })
  await profitSharing.share({ transactionId, outOrderNo: 'PV3S1', receivers: [{ type: 'PERSONAL_OPENID', account: OPENID, amount: 100, description: '分给' }], finish: false })
  await profitSharing.query({ transactionId, outOrderNo: 'PV3S1' })
  await profitSharing.remaining(transactionId)
  await profitSharing.finish({ transactionId, outOrderNo: 'PV3S2', description: '解冻' })
  await profitSharing.removeReceiver({ type: 'PERSONAL_OPENID', account: OPENID })

  t.match(await pay.refund({ outTradeNo: 'PV3-code', outRefundNo: 'PV3R', amount: 10, total: 1000 }), { amount: 10 })
  t.match(await pay.queryRefund({ outRefundNo: 'PV3R' }), { amount: 10 })

  const { transfers } = pay.v3
  const bill = { outBillNo: 'PV3T', sceneId: '1000', openid: OPENID, amount: 100, remark: '奖励', reports: REPORTS }
  t.match(await transfers.create(bill), { state: 'WAIT_USER_CONFIRM', packageInfo: /./ })
  t.match(await transfers.query('PV3T'), { sub_mchid: subMchId, state: 'WAIT_USER_CONFIRM' })
  await emulator.app.inject({ method: 'POST', url: `/_emulator/transfers/PV3T/confirm?sub_mch_id=${subMchId}` })
  t.match(await transfers.query('PV3T'), { state: 'SUCCESS' })
  t.match(await transfers.requestReceipt('PV3T'), { state: /./ })
  t.match(await transfers.receipt('PV3T'), { state: 'FINISHED', pdf: Buffer })
  await transfers.create({ ...bill, outBillNo: 'PV3T2' })
  await transfers.cancel('PV3T2')
  await t.rejects(transfers.query({ transferBillNo: '133' }), { code: 'WECHAT_INPUT', field: 'outBillNo' })

  const parts = ['PV3-part1', 'PV3-part2'].map(outTradeNo => ({ outTradeNo, description: 'x', amount: 5, attach: 'a' }))
  t.ok(await pay.v3.combine.jsapi({ combineOutTradeNo: 'PV3-all', parts, openid: OPENID }))
  await pay.v3.combine.query('PV3-all')
  await pay.v3.combine.close('PV3-all', parts)

  for (const { method, url: path, request } of await calls()) {
    if (!path.startsWith('/v3/')) continue
    t.ok(path.includes(`sub_mchid=${subMchId}`) || request.includes(`"sub_mchid":"${subMchId}"`) || NAMES_NOBODY.test(path), `${method} ${path}`)
    t.notMatch(path, /^\/v3\/fund-app\/mch-transfer\/transfer-bills/, 'not from the provider\'s own account')
  }
})

t.test('v2', async t => {
  const { emulator, pay, calls, subMchId } = await stage(t, 'v2')
  const order = { description: '咖啡', amount: 1000, openid: OPENID, clientIp: '203.0.113.7' }
  t.ok(await pay.jsapi({ ...order, outTradeNo: 'PV2-jsapi', profitSharing: true }))
  t.ok(await pay.app({ ...order, outTradeNo: 'PV2-app' }))
  t.ok(await pay.native({ ...order, outTradeNo: 'PV2-native' }))
  t.ok(await pay.h5({ ...order, outTradeNo: 'PV2-h5' }))
  await pay.close('PV2-native')
  const { transaction_id: transactionId } = await paid(emulator, 'PV2-jsapi')
  t.match(await pay.query({ transactionId }), { state: 'SUCCESS', subMchId })
  t.match(await pay.micropay({ ...order, outTradeNo: 'PV2-code', authCode: await emulator.authCode('pays') }), { state: 'SUCCESS', subMchId })
  t.match(await pay.refund({ outTradeNo: 'PV2-code', outRefundNo: 'PV2R', amount: 10, total: 1000 }), { amount: 10 })
  t.match(await pay.queryRefund({ outRefundNo: 'PV2R' }), { amount: 10 })
  t.match(await pay.v2.refundsOf({ outTradeNo: 'PV2-code' }), { total: 1 })
  const { profitSharing } = pay.v2
  await profitSharing.addReceiver({ type: 'PERSONAL_OPENID', account: OPENID, relation: 'STAFF' })
  await profitSharing.share({ transactionId, outOrderNo: 'PV2S1', receivers: [{ type: 'PERSONAL_OPENID', account: OPENID, amount: 100, description: '分给' }] }, { more: true })
  await profitSharing.query({ transactionId, outOrderNo: 'PV2S1' })
  await profitSharing.finish({ transactionId, outOrderNo: 'PV2S2', description: '解冻' })
  await profitSharing.removeReceiver({ type: 'PERSONAL_OPENID', account: OPENID })
  await t.rejects(pay.v2.transfer({ partnerTradeNo: 'PV2T', openid: OPENID, amount: 100, description: 'x' }), { code: 'WECHAT_INPUT', field: 'subMchId' }, 'not from the provider\'s own account')
  for (const { url, request } of await calls()) if (request.startsWith('<')) t.equal(readXml(Buffer.from(request)).sub_mch_id, subMchId, url)
})
