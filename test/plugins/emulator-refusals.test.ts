/** Refused calls by area, and continuation after a restart. Codes and statuses follow WeChat Pay's documentation. */
import { constants, createHash, createPublicKey, publicEncrypt } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { authorization } from '../../src/pay/v3/sign.ts'
import { signV2 } from '../../src/pay/v2/sign.ts'
import { writeXml } from '../../src/pay/v2/write-xml.ts'
import { readXml } from '../../src/pay/v2/xml.ts'
import { OPENID } from '../helpers/account.ts'
import { v3Caller } from '../helpers/v3-caller.ts'
import type { Json, V3Caller } from '../helpers/v3-caller.ts'

const SUB = '1900000110'
const STRANGER = 'oForeignAppVisitor0000000000'
const REPORTS = [{ info_type: '活动名称', info_content: 'a' }, { info_type: '奖励说明', info_content: 'b' }]

async function stage (t: Test, options: Parameters<typeof v3Caller>[1] = {}) {
  const caller = await v3Caller(t, { refundDelay: 1, timeScale: 1, subMerchants: [{ subMchId: SUB }], ...options })
  const { emulator, call, appId, mchId } = caller
  const { publicKey, publicKeyId } = emulator.bothConfig.merchant.v3 as { publicKey: string, publicKeyId: string }
  const sealed = (text: string) => publicEncrypt({ key: createPublicKey(publicKey), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, Buffer.from(text)).toString('base64')
  const named = { 'wechatpay-serial': publicKeyId }
  async function paid (number: string, { sub, sharing = false }: { sub?: string, sharing?: boolean } = {}) {
    const ids = sub === undefined ? { appid: appId, mchid: mchId, payer: { openid: OPENID } } : { sp_appid: appId, sp_mchid: mchId, sub_mchid: sub, payer: { sp_openid: OPENID } }
    await call('POST', `/v3/pay/${sub === undefined ? '' : 'partner/'}transactions/jsapi`, { ...ids, description: 'x', out_trade_no: number, notify_url: 'http://127.0.0.1:1/n', amount: { total: 10_000, currency: 'CNY' }, settle_info: { profit_sharing: sharing } })
    return (await emulator.pay(number, sub === undefined ? {} : { subMchId: sub })).transaction_id
  }
  const control = async (path: string, payload: object = {}) => (await emulator.app.inject({ method: 'POST', url: `/_emulator${path}`, payload })).statusCode
  return { ...caller, sealed, named, paid, control }
}

type Case = [method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body: unknown, status: number, code: string]

async function all (t: Test, call: V3Caller['call'], cases: Case[], headers: Record<string, string> = {}) {
  for (const [method, path, body, status, code] of cases) t.match(await call(method, path, body, headers), { status, json: { code } }, `${method} ${path} ${JSON.stringify(body)?.slice(0, 120) ?? ''}`)
}

t.test('transfers', async t => {
  const { call, control, sealed, named, appId, emulator } = await stage(t, { balance: 5000 })
  const base = '/v3/fund-app/mch-transfer'
  const bill = (change: object = {}) => ({ appid: appId, out_bill_no: 'TB00001', transfer_scene_id: '1000', openid: OPENID, transfer_amount: 100, transfer_remark: 'x', transfer_scene_report_infos: REPORTS, ...change })
  const authorizationRequest = (change: object = {}) => ({ out_authorization_no: 'AUTH1', appid: appId, openid: OPENID, transfer_scene_id: '1000', user_display_name: 'x', authorization_notify_url: 'http://127.0.0.1:1/n', ...change })
  await call('POST', `${base}/transfer-bills`, bill())
  await call('POST', `${base}/user-confirm-authorization`, authorizationRequest())
  await all(t, call, [
    ['POST', `${base}/transfer-bills`, bill({ appid: 'wx1' }), 400, 'APPID_MCHID_NOT_MATCH'],
    ['POST', `${base}/transfer-bills`, bill({ out_bill_no: 'a-b' }), 400, 'PARAM_ERROR'],
    ['POST', `${base}/transfer-bills`, bill({ openid: STRANGER }), 400, 'PARAM_ERROR'],
    ['POST', `${base}/transfer-bills`, bill({ transfer_amount: 0 }), 400, 'PARAM_ERROR'],
    ['POST', `${base}/transfer-bills`, bill({ transfer_amount: 101 }), 400, 'ALREADY_EXISTS'],
    ['POST', `${base}/transfer-bills`, bill({ out_bill_no: 'TB00002', transfer_amount: 6000 }), 403, 'NOT_ENOUGH'],
    ['POST', `${base}/transfer-bills`, bill({ out_bill_no: 'TB00002', transfer_amount: 200_000 }), 400, 'PARAM_ERROR'],
    ['GET', `${base}/transfer-bills/out-bill-no/NONE1`, undefined, 404, 'NOT_FOUND'],
    ['GET', `${base}/transfer-bills/transfer-bill-no/NONE1`, undefined, 404, 'NOT_FOUND'],
    ['POST', `${base}/transfer-bills/out-bill-no/NONE1/cancel`, undefined, 404, 'NOT_FOUND'],
    ['POST', `${base}/user-confirm-authorization`, authorizationRequest({ out_authorization_no: 'a-b' }), 400, 'PARAM_ERROR'],
    ['POST', `${base}/user-confirm-authorization`, authorizationRequest({ appid: 'wx1' }), 400, 'APPID_MCHID_NOT_MATCH'],
    ['POST', `${base}/user-confirm-authorization`, authorizationRequest({ openid: STRANGER }), 400, 'PARAM_ERROR'],
    ['POST', `${base}/user-confirm-authorization`, authorizationRequest({ transfer_scene_id: '1005' }), 400, 'ALREADY_EXISTS'],
    ['GET', `${base}/user-confirm-authorization/out-authorization-no/none`, undefined, 404, 'NOT_FOUND'],
    ['POST', `${base}/user-confirm-authorization/out-authorization-no/none/close`, undefined, 404, 'NOT_FOUND'],
    ['POST', `${base}/transfer-bills/pre-transfer-with-authorization`, bill({ out_bill_no: 'TB00003', authorization_info: { user_display_name: 'x', out_authorization_no: 'a-b', authorization_notify_url: 'x' } }), 400, 'PARAM_ERROR'],
    ['POST', `${base}/transfer-bills/pre-transfer-with-authorization`, bill({ out_bill_no: 'a-b' }), 400, 'PARAM_ERROR'],
    ['POST', `${base}/partner/transfer-bills`, bill({ sub_mchid: SUB, out_bill_no: 'a-b' }), 400, 'PARAM_ERROR'],
    ['POST', `${base}/partner/transfer-bills/transfer`, { ...bill({ sub_mchid: SUB, authorization_id: 'none' }), openid: undefined }, 400, 'INVALID_REQUEST'],
    ['POST', `${base}/partner/transfer-bills/pre-transfer-with-authorization`, bill({ sub_mchid: '1' }), 403, 'NO_AUTH'],
    ['GET', `${base}/partner/transfer-bills/out-bill-no/none?sub_mchid=${SUB}`, undefined, 404, 'NOT_FOUND'],
    ['POST', `${base}/partner/transfer-bills/out-bill-no/none/cancel`, { sub_mchid: SUB }, 404, 'NOT_FOUND'],
    ['POST', `${base}/partner/sub-mch-authorizations`, { sub_mchid: '1', out_apply_no: 'x' }, 403, 'NO_AUTH'],
    ['GET', `${base}/partner/sub-mch-authorizations/1`, undefined, 403, 'NO_AUTH'],
    ['POST', `${base}/partner/electronic-receipts`, { sub_mchid: SUB, out_bill_no: 'none' }, 404, 'NOT_FOUND'],
    ['GET', `${base}/partner/electronic-receipts/none?sub_mchid=${SUB}`, undefined, 404, 'NOT_FOUND'],
    ['POST', `${base}/transfer-to-qq-wallet-bills`, bill(), 400, 'PARAM_ERROR'],
    ['POST', `${base}/transfer-to-qq-wallet-bills`, bill({ transfer_scene_id: '1401', out_bill_no: 'a-b' }), 400, 'PARAM_ERROR'],
    ['GET', `${base}/transfer-to-qq-wallet-bills/none`, undefined, 404, 'NOT_FOUND'],
    ['POST', `${base}/transfer-to-qq-wallet-bills/none/cancel`, undefined, 404, 'NOT_FOUND'],
    ['POST', `${base}/elecsign/out-bill-no`, { out_bill_no: 'none' }, 404, 'NOT_FOUND'],
    ['GET', `${base}/elecsign/out-bill-no/none`, undefined, 404, 'NOT_FOUND'],
    ['GET', '/v3/transferdownload/signfile?token=none', undefined, 404, 'NOT_FOUND']
  ])
  t.match((await call('GET', `${base}/partner/sub-mch-authorizations/${SUB}`)).json, { state: 'UNAUTHORIZED' })
  const qq = bill({ transfer_scene_id: '1401', out_bill_no: 'QQ00001', user_qq: 'x' })
  const first = await call('POST', `${base}/transfer-to-qq-wallet-bills`, qq)
  t.same((await call('POST', `${base}/transfer-to-qq-wallet-bills`, qq)).json, first.json, 'repeated')
  t.equal(await control('/transfers/QQ00001/confirm'), 200)
  t.match(await call('POST', `${base}/transfer-bills`, bill({ out_bill_no: 'TB00009', user_name: sealed('x'), transfer_amount: 50 }), named), { status: 200 })
  for (const [path, body] of [['/transfers/none/confirm', {}], ['/transfers/none/settle', { state: 'SUCCESS' }], ['/authorizations/none/settle', { state: 'CLOSED' }], ['/batches/none/settle', {}], ['/complaints', { out_trade_no: 'none', detail: 'x' }], ['/complaints/none/act', { action: 'revoke' }], ['/withdrawals/none/settle', {}], ['/service-orders/none/confirm', {}], ['/service-orders/none/pay', {}]] as const) t.equal(await control(path, body), 404, path)
  t.equal(await control('/transfers/TB00001/settle', { state: 'FAIL' }), 200)
  t.match((await call('GET', `${base}/transfer-bills/out-bill-no/TB00001`)).json, { fail_reason: 'PAYEE_ACCOUNT_ABNORMAL' })
  await call('POST', `${base}/transfer-bills`, bill({ out_bill_no: 'TB00010' }))
  await call('POST', `${base}/transfer-bills/out-bill-no/TB00010/cancel`)
  t.match(await call('POST', `${base}/transfer-bills/out-bill-no/TB00010/cancel`), { status: 200, json: { state: 'CANCELLED' } }, 'cancelling twice')
  for (const name of ['transfers', 'batches', 'complaints', 'withdrawals', 'service-orders', 'shares']) t.ok(Array.isArray((await emulator.app.inject(`/_emulator/${name}`)).json()), name)
})

t.test('batches, funds, sharing', async t => {
  const { call, control, appId, mchId, paid, named } = await stage(t, { balance: 5000 })
  const detail = (number: string, change: object = {}) => ({ out_detail_no: number, transfer_amount: 100, transfer_remark: 'x', openid: OPENID, ...change })
  const batch = (change: object = {}) => ({ appid: appId, out_batch_no: 'BATCH1', batch_name: 'n', batch_remark: 'r', total_amount: 200, total_num: 2, transfer_detail_list: [detail('D1'), detail('D2')], ...change })
  const { batch_id: id } = (await call('POST', '/v3/transfer/batches', batch())).json
  t.same((await call('POST', '/v3/transfer/batches', batch())).json.batch_id, id)
  const list = '/v3/transfer/batches/out-batch-no/BATCH1?need_query_detail='
  t.match((await call('GET', `${list}false`)).json, { transfer_batch: { batch_status: 'ACCEPTED' } })
  t.match((await call('GET', `${list}true`)).json.transfer_detail_list, { length: 2 })
  await all(t, call, [
    ['POST', '/v3/transfer/batches', batch({ appid: 'wx1' }), 400, 'APPID_MCHID_NOT_MATCH'],
    ['POST', '/v3/transfer/batches', batch({ out_batch_no: 'a-b' }), 400, 'PARAM_ERROR'],
    ['POST', '/v3/transfer/batches', batch({ total_num: 3 }), 400, 'PARAM_ERROR'],
    ['POST', '/v3/transfer/batches', batch({ total_amount: 0, transfer_detail_list: [detail('D1', { transfer_amount: 0 }), detail('D2', { transfer_amount: 0 })] }), 400, 'PARAM_ERROR'],
    ['POST', '/v3/transfer/batches', batch({ transfer_detail_list: [detail('D1'), detail('D2', { openid: STRANGER })] }), 400, 'PARAM_ERROR'],
    ['POST', '/v3/transfer/batches', batch({ transfer_detail_list: [detail('D1'), detail('D2', { user_name: 'plain' })] }), 400, 'PARAM_ERROR'],
    ['POST', '/v3/transfer/batches', batch({ transfer_detail_list: [detail('D1'), detail('D1')] }), 400, 'PARAM_ERROR'],
    ['POST', '/v3/transfer/batches', batch({ transfer_detail_list: [detail('D1'), detail('D3')] }), 400, 'ALREADY_EXISTS'],
    ['POST', '/v3/transfer/batches', batch({ out_batch_no: 'BATCH2', total_amount: 10_000, transfer_detail_list: [detail('D1', { transfer_amount: 5000 }), detail('D2', { transfer_amount: 5000 })] }), 403, 'NOT_ENOUGH'],
    ['GET', '/v3/transfer/batches/out-batch-no/none?need_query_detail=true', undefined, 404, 'NOT_FOUND'],
    ['GET', `${list}true&limit=1`, undefined, 400, 'PARAM_ERROR'],
    ['GET', '/v3/transfer/batches/out-batch-no/BATCH1/details/out-detail-no/none', undefined, 404, 'NOT_FOUND'],
    ['GET', '/v3/transfer/batches/batch-id/none/details/detail-id/none', undefined, 404, 'NOT_FOUND'],
    ['POST', '/v3/transfer/bill-receipt', { out_batch_no: 'none' }, 404, 'NOT_FOUND'],
    ['GET', '/v3/transfer/bill-receipt/none', undefined, 404, 'NOT_FOUND'],
    ['POST', '/v3/transfer-detail/electronic-receipts', { accept_type: 'X', out_detail_no: 'D1' }, 400, 'PARAM_ERROR'],
    ['POST', '/v3/transfer-detail/electronic-receipts', { accept_type: 'BATCH_TRANSFER', out_detail_no: 'none' }, 404, 'NOT_FOUND'],
    ['GET', '/v3/transfer-detail/electronic-receipts?accept_type=BATCH_TRANSFER&out_detail_no=D1', undefined, 404, 'NOT_FOUND'],
    ['GET', '/v3/transfer-detail/electronic-receipts?accept_type=X&out_detail_no=D1', undefined, 400, 'PARAM_ERROR'],

    ['POST', '/v3/merchant/fund/withdraw', { out_request_no: 'a-b', amount: 1, account_type: 'BASIC' }, 400, 'PARAM_ERROR'],
    ['POST', '/v3/merchant/fund/withdraw', { out_request_no: 'W1', amount: 1, account_type: 'X' }, 400, 'PARAM_ERROR'],
    ['POST', '/v3/merchant/fund/withdraw', { out_request_no: 'W1', amount: 0, account_type: 'BASIC' }, 400, 'PARAM_ERROR'],
    ['POST', '/v3/merchant/fund/withdraw', { out_request_no: 'W1', amount: 1, account_type: 'FEES' }, 403, 'NOT_ENOUGH'],
    ['GET', '/v3/merchant/fund/withdraw/out-request-no/none', undefined, 404, 'NOT_FOUND'],
    ['GET', '/v3/merchant/fund/withdraw/withdraw-id/none', undefined, 404, 'NOT_FOUND'],
    ['GET', '/v3/merchant/fund/withdraw/bill-type/X?bill_date=2024-01-01', undefined, 400, 'PARAM_ERROR'],
    ['GET', '/v3/merchant/fund/withdraw/bill-type/NO_SUCC?bill_date=2024-01-01', undefined, 400, 'NO_STATEMENT_EXIST'],
    ['GET', '/v3/merchant/fund/dayendbalance/BASIC?date=x', undefined, 400, 'PARAM_ERROR'],
    ['GET', '/v3/bill/sub-merchant-fundflowbill?sub_mchid=1&bill_date=2024-01-01&account_type=BASIC&algorithm=AEAD_AES_256_GCM', undefined, 403, 'NO_AUTH'],
    ['GET', `/v3/bill/sub-merchant-fundflowbill?sub_mchid=${SUB}&bill_date=x&account_type=BASIC&algorithm=AEAD_AES_256_GCM`, undefined, 400, 'PARAM_ERROR'],
    ['GET', `/v3/bill/sub-merchant-fundflowbill?sub_mchid=${SUB}&bill_date=2024-01-01&account_type=BASIC&algorithm=X`, undefined, 400, 'PARAM_ERROR'],
    ['GET', `/v3/bill/sub-merchant-fundflowbill?sub_mchid=${SUB}&bill_date=2024-01-01&account_type=FEES&algorithm=AEAD_AES_256_GCM`, undefined, 400, 'NO_STATEMENT_EXIST']
  ], named)
  t.equal((await call('GET', '/v3/merchant/fund/balance/FEES')).json.available_amount, 0)
  await call('POST', '/v3/merchant/fund/withdraw', { out_request_no: 'W1', amount: 1, account_type: 'BASIC' })
  for (const [status, expected] of [['SUCCESS', 200], ['SUCCESS', 404], ['REFUND', 200], ['CLOSE', 404]] as const) t.equal(await control('/withdrawals/W1/settle', { status }), expected, status)
  const today = new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10)
  t.match(await call('GET', `/v3/merchant/fund/withdraw/bill-type/NO_SUCC?bill_date=${today}&tar_type=GZIP`), { status: 200 })
  t.equal(await control('/batches/BATCH1/settle'), 200)
  t.equal(await control('/batches/BATCH1/settle'), 409)

  const id1 = await paid('SHARED1', { sharing: true })
  const subId = await paid('SHARED2', { sub: SUB, sharing: true })
  await call('POST', '/v3/profitsharing/receivers/add', { appid: appId, type: 'PERSONAL_OPENID', account: OPENID, relation_type: 'CUSTOM', custom_relation: '同伴' })
  const share = (change: object = {}) => ({ appid: appId, transaction_id: id1, out_order_no: 'S1', receivers: [{ type: 'PERSONAL_OPENID', account: OPENID, amount: 10, description: 'd' }], unfreeze_unsplit: false, ...change })
  await all(t, call, [
    ['POST', '/v3/profitsharing/receivers/add', { appid: appId, type: 'PERSONAL_OPENID', account: OPENID, relation_type: 'CUSTOM' }, 400, 'PARAM_ERROR'],
    ['POST', '/v3/profitsharing/orders', share({ unfreeze_unsplit: 'x' }), 400, 'PARAM_ERROR'],
    ['POST', '/v3/profitsharing/orders', share({ receivers: [] }), 400, 'PARAM_ERROR'],
    ['POST', '/v3/profitsharing/orders', share({ receivers: [{ type: 'PERSONAL_OPENID', account: OPENID, amount: 0, description: 'd' }] }), 400, 'PARAM_ERROR'],
    ['POST', '/v3/profitsharing/orders', share({ receivers: [{ type: 'PERSONAL_OPENID', account: OPENID, name: 'plain', amount: 1, description: 'd' }] }), 400, 'PARAM_ERROR'],
    ['POST', '/v3/profitsharing/orders', share({ transaction_id: 'none' }), 404, 'RESOURCE_NOT_EXISTS'],
    ['POST', '/v3/profitsharing/return-orders', { out_order_no: 'none', out_return_no: 'R', return_mchid: mchId, amount: 1, description: 'd' }, 404, 'RESOURCE_NOT_EXISTS'],
    ['GET', '/v3/profitsharing/return-orders/none?out_order_no=x', undefined, 404, 'RESOURCE_NOT_EXISTS'],
    ['GET', '/v3/profitsharing/transactions/none/amounts', undefined, 404, 'RESOURCE_NOT_EXISTS'],
    ['GET', '/v3/profitsharing/merchant-configs/1', undefined, 403, 'NO_AUTH'],
    ['POST', '/v3/ecommerce/profitsharing/orders', { sub_mchid: SUB, transaction_id: subId, out_order_no: 'E1', receivers: [], finish: 'x' }, 400, 'PARAM_ERROR'],
    ['POST', '/v3/ecommerce/profitsharing/orders', { sub_mchid: SUB, transaction_id: subId, out_order_no: 'E1', receivers: [], finish: false }, 400, 'PARAM_ERROR'],
    ['POST', '/v3/ecommerce/profitsharing/orders', { sub_mchid: SUB, transaction_id: subId, out_order_no: 'E1', receivers: [{ type: 'MERCHANT_ID', receiver_account: '1', amount: 1, description: 'd' }], finish: false }, 400, 'PARAM_ERROR'],
    ['GET', `/v3/ecommerce/profitsharing/orders?sub_mchid=${SUB}&transaction_id=x&out_order_no=none`, undefined, 404, 'RESOURCE_NOT_EXISTS'],
    ['POST', '/v3/ecommerce/profitsharing/finish-order', { sub_mchid: '1', transaction_id: 'x', out_order_no: 'x', description: 'd' }, 403, 'NO_AUTH'],
    ['POST', '/v3/ecommerce/profitsharing/finish-order', { sub_mchid: SUB, transaction_id: 'x', out_order_no: 'x', description: 'd' }, 404, 'RESOURCE_NOT_EXISTS'],
    ['GET', '/v3/ecommerce/profitsharing/orders/none/amounts', undefined, 404, 'RESOURCE_NOT_EXISTS'],
    ['POST', '/v3/ecommerce/profitsharing/returnorders', { sub_mchid: SUB, order_id: 'none', out_return_no: 'x', return_mchid: 'x', amount: 1, description: 'd' }, 404, 'RESOURCE_NOT_EXISTS'],
    ['GET', `/v3/ecommerce/profitsharing/returnorders?sub_mchid=${SUB}&out_return_no=none`, undefined, 404, 'RESOURCE_NOT_EXISTS'],
    ['POST', '/v3/ecommerce/refunds/apply', { sub_mchid: '1', sp_appid: appId, out_refund_no: 'R', amount: { refund: 1, total: 1 } }, 403, 'NO_AUTH'],
    ['POST', '/v3/ecommerce/refunds/apply', { sub_mchid: SUB, sp_appid: appId, out_refund_no: 'R', transaction_id: 'none', amount: { refund: 1, total: 1 } }, 404, 'RESOURCE_NOT_EXISTS'],
    ['GET', '/v3/ecommerce/refunds/id/none', undefined, 404, 'RESOURCE_NOT_EXISTS'],
    ['POST', '/v3/ecommerce/refunds/none/apply-abnormal-refund', { out_refund_no: 'R', type: 'X' }, 404, 'RESOURCE_NOT_EXISTS']
  ], named)
  const shared = (await call('POST', '/v3/profitsharing/orders', share())).json
  t.match(await call('POST', '/v3/profitsharing/return-orders', { order_id: shared.order_id, out_return_no: 'R1', return_mchid: mchId, amount: 1, description: 'd' }), { status: 200 }, 'by WeChat\'s number of the share')
  const refund = { sub_mchid: SUB, sp_appid: appId, transaction_id: subId, out_refund_no: 'ER1', amount: { refund: 1, total: 10_000 } }
  const made = (await call('POST', '/v3/ecommerce/refunds/apply', refund)).json
  t.same((await call('POST', '/v3/ecommerce/refunds/apply', refund)).json.refund_id, made.refund_id)
  t.match(await call('POST', `/v3/ecommerce/refunds/${made.refund_id}/apply-abnormal-refund`, { out_refund_no: 'ER1', type: 'X' }), { status: 400 })
})

t.test('complaints and payscore', async t => {
  const { call, control, emulator, paid, mchId, appId, signer } = await stage(t)
  await paid('COMPLAIN1')
  const id = await emulator.complain('COMPLAIN1', { detail: 'x', problemType: 'OTHERS', phone: '13900000000' })
  const cases = '/v3/merchant-service/complaints-v2'
  await all(t, call, [
    ['PUT', '/v3/merchant-service/complaint-notifications', { url: 'https://x.test/n' }, 404, 'NOT_FOUND'],
    ['DELETE', '/v3/merchant-service/complaint-notifications', undefined, 404, 'NOT_FOUND'],
    ['POST', '/v3/merchant-service/complaint-notifications', { url: 'x' }, 400, 'PARAM_ERROR'],
    ['GET', `${cases}?begin_date=2024-01-01&end_date=2024-01-01&limit=51`, undefined, 400, 'PARAM_ERROR'],
    ['GET', `${cases}?begin_date=2024-01-02&end_date=2024-01-01`, undefined, 400, 'PARAM_ERROR'],
    ['GET', `${cases}/none/negotiation-historys`, undefined, 404, 'NOT_FOUND'],
    ['GET', `${cases}/${id}/negotiation-historys?limit=0`, undefined, 400, 'PARAM_ERROR'],
    ['POST', `${cases}/none/response`, { complainted_mchid: mchId, response_content: 'x' }, 404, 'NOT_FOUND'],
    ['POST', `${cases}/${id}/response`, { complainted_mchid: '1', response_content: 'x' }, 400, 'PARAM_ERROR'],
    ['POST', `${cases}/${id}/response`, { complainted_mchid: mchId, response_content: 'x'.repeat(201) }, 400, 'PARAM_ERROR'],
    ['POST', `${cases}/none/complete`, { complainted_mchid: mchId }, 404, 'NOT_FOUND'],
    ['POST', `${cases}/none/update-refund-progress`, { action: 'APPROVE' }, 404, 'NOT_FOUND'],
    ['POST', `${cases}/${id}/update-refund-progress`, { action: 'APPROVE' }, 400, 'INVALID_REQUEST'],
    ['POST', `${cases}/none/response-immediate-service`, { complainted_mchid: mchId, message: { blocks: [] }, idempotent_id: 'x' }, 404, 'NOT_FOUND'],
    ['GET', '/v3/merchant-service/images/none', undefined, 404, 'NOT_FOUND']
  ])
  await call('POST', '/v3/merchant-service/complaint-notifications', { url: 'http://127.0.0.1:1/n' })
  t.match(await call('PUT', '/v3/merchant-service/complaint-notifications', { url: 'x' }), { status: 400 })
  await paid('COMPLAIN2')
  const wanted = await emulator.complain('COMPLAIN2', { detail: 'x', refundAmount: 5 })
  t.match(await call('POST', `${cases}/${wanted}/update-refund-progress`, { action: 'X' }), { status: 400 })
  t.match(await call('POST', `${cases}/${wanted}/update-refund-progress`, { action: 'REJECT' }), { status: 400 })
  t.match(await call('POST', `${cases}/${wanted}/update-refund-progress`, { action: 'REJECT', reject_reason: '已发货' }), { status: 204 })
  t.equal(await control(`/complaints/${wanted}/act`, { action: 'revoke' }), 200)
  t.equal(await control(`/complaints/${wanted}/act`, { action: 'respond' }), 404, 'over')
  t.equal(await control(`/complaints/${wanted}/act`, { action: 'continue' }), 200, 'but it can be filed again')
  t.match((await call('GET', `${cases}/${wanted}`)).json, { complaint_state: 'PENDING' })
  const unpaid = { appid: appId, mchid: mchId, description: 'x', out_trade_no: 'UNPAID12', notify_url: 'http://127.0.0.1:1/n', amount: { total: 1 }, payer: { openid: OPENID } }
  await call('POST', '/v3/pay/transactions/jsapi', unpaid)
  t.equal(await control('/complaints', { out_trade_no: 'UNPAID12', detail: 'x' }), 409)
  const upload = async (meta: string, file: Buffer, path = '/v3/merchant/media/upload') => (await emulator.app.inject({ method: 'POST', url: path, headers: { authorization: await authorization('POST', path, meta, signer), 'content-type': 'multipart/form-data; boundary=bb' }, payload: Buffer.concat([Buffer.from(`--bb\r\nContent-Disposition: form-data; name="meta"\r\n\r\n${meta}\r\n--bb\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n`), file, Buffer.from('\r\n--bb--\r\n')]) })).statusCode
  const video = Buffer.alloc(100, 'v')
  const metaOf = (name: string, file: Buffer) => JSON.stringify({ filename: name, sha256: createHash('sha256').update(file).digest('hex') })
  t.equal(await upload(metaOf('v.mp4', video), video, '/v3/merchant/media/video_upload'), 200)
  const big = Buffer.alloc(3 << 20)
  for (const [meta, file] of [['no json', video], [metaOf('a.png', Buffer.alloc(0)), Buffer.alloc(0)], [metaOf('a.exe', video), video], [metaOf('a.png', big), big], [JSON.stringify({ filename: 'a.png', sha256: 'x' }), video]] as const) t.equal(await upload(meta, file), 400, meta)

  const base = '/v3/payscore/serviceorder'
  const ids = { appid: appId, service_id: '500001' }
  const order = (change: object = {}) => ({ ...ids, out_order_no: 'PS1', service_introduction: 'x', time_range: { start_time: 'OnAccept' }, risk_fund: { name: 'DEPOSIT', amount: 100 }, notify_url: 'http://127.0.0.1:1/n', ...change })
  const end = (change: object = {}) => ({ ...ids, post_payments: [{ name: 'x', amount: 50 }], total_amount: 50, ...change })
  await call('POST', base, order({ location: { start_location: 'a' }, attach: 'b', openid: OPENID }))
  await all(t, call, [
    ['POST', base, order({ appid: 'wx1' }), 400, 'APPID_MCHID_NOT_MATCH'],
    ['POST', base, order({ risk_fund: { name: 'X', amount: 1 } }), 400, 'PARAM_ERROR'],
    ['POST', base, order({ risk_fund: { name: 'DEPOSIT', amount: 0 } }), 400, 'PARAM_ERROR'],
    ['POST', base, order({ openid: STRANGER }), 400, 'PARAM_ERROR'],
    ['POST', `${base}/none/cancel`, { ...ids, reason: 'x' }, 404, 'ORDER_NOT_EXIST'],
    ['POST', `${base}/PS1/complete`, end({ appid: 'wx1' }), 400, 'APPID_MCHID_NOT_MATCH'],
    ['POST', `${base}/none/complete`, end(), 404, 'ORDER_NOT_EXIST'],
    ['POST', `${base}/none/modify`, end({ reason: 'x' }), 404, 'ORDER_NOT_EXIST'],
    ['POST', `${base}/PS1/modify`, end({ reason: 'x' }), 400, 'INVALID_ORDER_STATE'],
    ['POST', `${base}/none/pay`, ids, 404, 'ORDER_NOT_EXIST'],
    ['POST', `${base}/PS1/pay`, ids, 400, 'INVALID_ORDER_STATE'],
    ['POST', `${base}/none/sync`, { ...ids, type: 'Order_Paid', detail: { paid_time: 'x' } }, 404, 'ORDER_NOT_EXIST'],
    ['POST', `${base}/PS1/sync`, { ...ids, type: 'X', detail: { paid_time: 'x' } }, 400, 'PARAM_ERROR'],
    ['POST', `${base}/PS1/sync`, { ...ids, type: 'Order_Paid', detail: { paid_time: 'x' } }, 400, 'PARAM_ERROR'],
    ['POST', `${base}/PS1/sync`, { ...ids, type: 'Order_Paid', detail: { paid_time: '20261127000000' } }, 400, 'INVALID_ORDER_STATE'],
    ['POST', `${base}/none/send-pendingmessage`, { ...end(), appid: undefined, prepaid_time: 'x' }, 404, 'ORDER_NOT_EXIST'],
    ['POST', `${base}/PS1/send-pendingmessage`, { ...end(), appid: undefined, prepaid_time: 'x' }, 400, 'INVALID_ORDER_STATE'],
    ['POST', `${base}/direct-complete`, end({ out_order_no: 'PS2', time_range: {}, total_amount: 51 }), 400, 'PARAM_ERROR']
  ])
  t.equal(await control('/service-orders/PS1/pay'), 409)
  t.equal(await control('/service-orders/PS1/confirm'), 200)
  t.equal(await control('/service-orders/PS1/confirm'), 409)
  t.match(await call('POST', `${base}/PS1/complete`, end({ post_payments: [{ name: 'x', amount: 101 }], total_amount: 101 })), { status: 400 }, 'more than risk_fund')
  t.match(await call('POST', `${base}/PS1/complete`, end({ location: { end_location: 'b' } })), { status: 200, json: { location: { start_location: undefined, end_location: 'b' } } })
  t.match(await call('POST', `${base}/PS1/complete`, end()), { status: 200 }, 'again')
  t.match(await call('POST', `${base}/PS1/cancel`, { ...ids, reason: 'x' }), { status: 400 })
  t.match(await call('POST', `${base}/PS1/modify`, end({ reason: 'x', post_payments: [{ name: 'x', amount: 60 }], total_amount: 60 })), { status: 400 })
  t.match(await call('POST', `${base}/PS1/modify`, end({ reason: 'x', total_amount: 1 })), { status: 400 })
  t.match(await call('POST', `${base}/PS1/modify`, end({ reason: 'x', post_payments: [{ name: 'x', amount: 0 }], total_amount: 0 })), { status: 200 })
  const direct = { ...ids, out_order_no: 'PS3', time_range: { start_time: '20261127', end_time: '20261127' }, post_payments: [{ name: 'x', amount: 5 }] }
  t.match(await call('POST', `${base}/direct-complete`, direct), { status: 200, json: { total_amount: 5 } })
  t.match(await call('POST', `${base}/direct-complete`, { ...direct, total_amount: 5 }), { status: 200 })
  t.match(await call('POST', `${base}/direct-complete`, { ...direct, service_id: 'other' }), { status: 400 })
})

t.test('v2: sharing, contracts, bank cards', async t => {
  const { emulator, paid } = await stage(t)
  const { account } = emulator
  const post = async (path: string, fields: Record<string, string>, signType: 'MD5' | 'HMAC-SHA256' = 'MD5') => {
    const given: Record<string, string> = { appid: account.appId, mch_id: account.mchId, nonce_str: 'n', ...(signType !== 'MD5' && { sign_type: signType }), ...fields }
    return { ...readXml((await emulator.app.inject({ method: 'POST', url: path, payload: writeXml({ ...given, sign: signV2(given, account.apiKey, signType) }) })).rawPayload) } as Record<string, string>
  }
  const sharing = (path: string, fields: Record<string, string>) => post(`/pay/profitsharing${path}`, fields, 'HMAC-SHA256')
  t.match(await sharing('addreceiver', { receiver: '{}' }), { err_code: 'PARAM_ERROR' })
  t.match(await sharing('removereceiver', {}), { err_code: 'PARAM_ERROR' })
  t.match(await sharing('query', { transaction_id: 'x', out_order_no: 'x' }), { err_code: 'ORDER_NOT_EXIST' })
  t.match(await sharing('orderamountquery', { transaction_id: 'x' }), { err_code: 'ORDER_NOT_EXIST' })
  t.match(await sharing('merchantratioquery', { brand_mch_id: '1' }), { brand_mch_id: '1', max_ratio: '3000' })
  t.ok(await paid('SHARED1', { sharing: true }))
  const order = { body: 'x', out_trade_no: 'C1', total_fee: '100', spbill_create_ip: '127.0.0.1', notify_url: 'http://127.0.0.1:1/n', trade_type: 'JSAPI', openid: OPENID }
  t.match(await post('/pay/contractorder', order), { err_code: 'LACK_PARAMS' })
  const contract = { contract_mchid: 'x', contract_appid: 'x', plan_id: '1', contract_code: 'CC1', request_serial: '1', contract_display_account: 'x', contract_notify_url: 'http://127.0.0.1:1/n' }
  t.match(await post('/pay/contractorder', { ...order, ...contract, total_fee: '0' }), { err_code: 'PARAM_ERROR' })
  t.match(await post('/pay/contractorder', { ...order, ...contract }), { result_code: 'SUCCESS' })
  t.match(await post('/pay/contractorder', { ...order, ...contract }), { result_code: 'SUCCESS' }, 'again')
  const pap = { body: 'x', out_trade_no: 'P1', total_fee: '50', spbill_create_ip: '127.0.0.1', notify_url: 'http://127.0.0.1:1/n', trade_type: 'PAP', contract_id: 'x' }
  t.match(await post('/pay/pappayapply', { ...pap, body: '' }), { err_code: 'LACK_PARAMS' })
  t.match(await post('/pay/partner/pappayapply', { ...pap, trade_type: 'JSAPI' }), { return_code: 'FAIL' })
  await emulator.pay('C1')
  const signed = await emulator.waitForNotification(({ about }) => about === 'event')
  const { contract_id: id } = readXml(Buffer.from(signed.request.body))
  t.match(await post('/pay/pappayapply', { ...pap, contract_id: id!, total_fee: '0' }), { err_code: 'PARAM_ERROR' })
  t.match(await post('/pay/pappayapply', { ...pap, contract_id: id! }), { result_code: 'SUCCESS' })
  t.match(await post('/pay/pappayapply', { ...pap, contract_id: id! }), { result_code: 'FAIL' })
})

t.test('an Official Account and a mini program', async t => {
  const { emulator } = await stage(t)
  const { appId, appSecret } = emulator.account
  const get = async (url: string): Promise<Json> => (await emulator.app.inject(url)).json()
  const post = async (url: string, payload: unknown): Promise<Json> => (await emulator.app.inject({ method: 'POST', url, payload: payload as object })).json()
  const { access_token: token } = await get(`/cgi-bin/token?grant_type=client_credential&appid=${appId}&secret=${appSecret}`)
  const login = '/sns/jscode2session?'
  for (const [query, errcode] of [['', 40013], [`appid=${appId}`, 40125], [`appid=${appId}&secret=${appSecret}`, 40002], [`appid=${appId}&secret=${appSecret}&grant_type=authorization_code`, 41008]] as const) t.match(await get(login + query), { errcode })
  t.match(await get('/wxa/checksession'), { errcode: 41001 })
  t.match(await get(`/wxa/checksession?access_token=${token}`), { errcode: 87009 })
  t.match(await post('/wxa/business/getuserphonenumber', {}), { errcode: 41001 })
  t.match(await post(`/cgi-bin/menu/create?access_token=${token}`, 'no json'), { errcode: 47001 })
  for (const [path, body, errcode] of [
    ['/cgi-bin/menu/create', { button: [{}] }, 40018], ['/cgi-bin/qrcode/create', { action_name: 'QR_SCENE', action_info: { scene: {} } }, 40098], ['/cgi-bin/user/info/batchget', { user_list: [{ openid: 'x' }] }, 40003],
    ['/cgi-bin/message/template/send', { touser: OPENID, template_id: 'T' }, 47001], ['/cgi-bin/message/subscribe/send', { touser: OPENID }, 40037], ['/cgi-bin/message/subscribe/send', { touser: 'x' }, 40003], ['/cgi-bin/message/subscribe/send', { touser: OPENID, template_id: 'T', data: { other1: { value: 'x' } } }, 47003],
    ['/cgi-bin/message/custom/send', { touser: 'x' }, 40003], ['/cgi-bin/message/custom/send', { touser: OPENID }, 40008], ['/wxa/getwxacode', { path: '' }, 40159], ['/wxa/sec/order/get_order', { transaction_id: 'x' }, 10060001]
  ] as const) t.match(await post(`${path}?access_token=${token}`, body), { errcode }, path)
  t.match(await post(`/cgi-bin/qrcode/create?access_token=${token}`, { action_name: 'QR_LIMIT_SCENE', action_info: { scene: { scene_id: 1 } } }), { expire_seconds: undefined, ticket: /./ })
  await emulator.fault({ kind: 'UNHEARD_OF', path: '/cgi-bin/getcallbackip' })
  t.match(await get(`/cgi-bin/getcallbackip?access_token=${token}`), { ip_list: [/./] }, 'a code without a number for this host has no effect')
})

t.test('unfinished operations continue after a restart', async t => {
  const data = t.testdir()
  const first = await stage(t, { data, timeScale: 1 })
  const { call, appId, emulator } = first
  const id = await first.paid('KEPT0001', { sharing: true })
  await call('POST', '/v3/profitsharing/receivers/add', { appid: appId, type: 'PERSONAL_OPENID', account: OPENID, relation_type: 'STAFF' })
  await call('POST', '/v3/profitsharing/orders', { appid: appId, transaction_id: id, out_order_no: 'S1', receivers: [{ type: 'PERSONAL_OPENID', account: OPENID, amount: 10, description: 'd' }], unfreeze_unsplit: false })
  await call('POST', '/v3/transfer/batches', { appid: appId, out_batch_no: 'BATCH1', batch_name: 'n', batch_remark: 'r', total_amount: 100, total_num: 1, transfer_detail_list: [{ out_detail_no: 'D1', transfer_amount: 100, transfer_remark: 'x', openid: OPENID }] })
  await call('POST', '/v3/merchant/fund/withdraw', { out_request_no: 'W1', amount: 1, account_type: 'BASIC' })
  await call('POST', '/v3/payscore/serviceorder/direct-complete', { appid: appId, service_id: '1', out_order_no: 'PS1', time_range: {}, post_payments: [{ name: 'x', amount: 5 }] })
  await call('POST', '/v3/fund-app/mch-transfer/transfer-bills', { appid: appId, out_bill_no: 'TB00001', transfer_scene_id: '1000', openid: OPENID, transfer_amount: 100, transfer_remark: 'x', transfer_scene_report_infos: REPORTS })
  await call('POST', '/v3/refund/domestic/refunds', { out_trade_no: 'KEPT0001', out_refund_no: 'R1', amount: { refund: 1, total: 10_000, currency: 'CNY' } })
  const code = await call('POST', '/v3/pay/transactions/native', { appid: appId, mchid: first.mchId, description: 'x', out_trade_no: 'KEPTCODE', notify_url: 'http://127.0.0.1:1/n', amount: { total: 1 } })
  await emulator.close()

  const again = await stage(t, { data, timeScale: 0.00001 })
  const look = async (url: string, done: (json: Json) => boolean) => {
    for (;;) {
      const { json } = await again.call('GET', url)
      if (done(json)) return json
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
  t.match(await look(`/v3/profitsharing/orders/S1?transaction_id=${id}`, ({ state }) => state === 'FINISHED'), { receivers: [{ result: 'SUCCESS' }] })
  t.ok(await look('/v3/transfer/batches/out-batch-no/BATCH1?need_query_detail=false', ({ transfer_batch: batch }) => batch.batch_status === 'FINISHED'))
  t.ok(await look('/v3/merchant/fund/withdraw/out-request-no/W1', ({ status }) => status === 'SUCCESS'))
  t.ok(await look(`/v3/payscore/serviceorder?out_order_no=PS1&service_id=1&appid=${again.appId}`, ({ collection }) => collection.state === 'USER_PAID'))
  t.ok(await look('/v3/refund/domestic/refunds/R1', ({ status }) => status === 'SUCCESS'))
  await again.emulator.confirmTransfer('TB00001')
  t.match((await again.emulator.scan(code.json.code_url)).out_trade_no, 'KEPTCODE', 'codes and numbers survive the restart')
  t.match((await again.call('GET', `/v3/pay/transactions/id/${id}?mchid=${again.mchId}`)).json, { out_trade_no: 'KEPT0001' })
  // Close before the folder is removed.
  await again.emulator.close()
})
