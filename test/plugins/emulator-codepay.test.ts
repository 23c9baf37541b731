/** Pay by code at the emulator, in v3 and v2: refusals, and each kind of payment code. */
import t from 'tap'
import { createPay } from '../../src/pay/pay.ts'
import { v3Caller } from '../helpers/v3-caller.ts'

const PATH = '/v3/pay/transactions/codepay'

t.test('v3 refuses missing or wrong fields, and names them', async t => {
  const { emulator, call, appId, mchId } = await v3Caller(t)
  const good = { appid: appId, mchid: mchId, description: '咖啡', out_trade_no: 'CODE-0001', amount: { total: 100 }, payer: { auth_code: await emulator.authCode() }, scene_info: { store_info: { out_id: '1' } } }
  const wrong: Array<[change: object, answer: object]> = [
    [{ mchid: '1900000109' }, { code: 'PARAM_ERROR', message: /商户号/ }],
    [{ appid: 'wx0000000000000000' }, { code: 'APPID_MCHID_NOT_MATCH' }],
    [{ appid: 5 }, {}],
    [{ out_trade_no: 'x' }, { code: 'PARAM_ERROR' }],
    [{ amount: { total: 0 } }, { code: 'PARAM_ERROR' }],
    [{ amount: { total: 1.5 } }, { code: 'PARAM_ERROR' }],
    [{ amount: null }, { code: 'PARAM_ERROR' }],
    [{ amount: { total: 100, currency: 'USD' } }, { code: 'PARAM_ERROR' }],
    [{ description: '' }, { code: 'PARAM_ERROR' }],
    [{ description: '咖'.repeat(43) }, { code: 'PARAM_ERROR' }],
    [{ attach: 'x'.repeat(129) }, { code: 'PARAM_ERROR' }],
    [{ scene_info: { device_id: '1' } }, { code: 'PARAM_ERROR' }],
    [{ scene_info: null }, { code: 'PARAM_ERROR' }],
    [{ payer: { auth_code: '20' } }, { code: 'AUTH_CODE_INVALID' }],
    [{ payer: {} }, { code: /AUTH_CODE_INVALID|PARAM_ERROR/ }]
  ]
  for (const [change, answer] of wrong) {
    const { status, json } = await call('POST', PATH, { ...good, ...change })
    t.equal(status, 400, JSON.stringify(change))
    t.match(json, answer, JSON.stringify(change))
  }
  t.match(await call('POST', PATH, good), { status: 200, json: { trade_state: 'SUCCESS', amount: { total: 100 } } })
  t.match(await call('POST', PATH, good), { status: 400 }, 'repeating a paid call does not pay twice')
  t.match(await call('POST', PATH, { ...good, out_trade_no: 'CODE-0002' }), { status: 400, json: { code: 'AUTH_CODE_INVALID' } }, 'a code works once')
  for (const [behaviour, status, code] of [['expired', 400, 'AUTH_CODE_INVALID'], ['poor', 403, 'NOT_ENOUGH']] as const) {
    t.match(await call('POST', PATH, { ...good, out_trade_no: `CODE-${behaviour}`, payer: { auth_code: await emulator.authCode(behaviour) } }), { status, json: { code } })
  }
  const withPassword = { ...good, out_trade_no: 'CODE-asks', payer: { auth_code: await emulator.authCode('asks') } }
  t.match(await call('POST', PATH, withPassword), { status: 202 })
  t.match(await call('POST', PATH, withPassword), { status: 202 }, 'and again')

  const reverse = (number: string, body = { appid: appId, mchid: mchId }) => call('POST', `/v3/pay/transactions/out-trade-no/${number}/reverse`, body)
  t.match(await reverse('CODE-none'), { status: 404, json: { code: 'ORDER_NOT_EXIST' } })
  t.match(await reverse('CODE-0001', { appid: appId, mchid: '1900000109' }), { status: 400 })
  t.match(await reverse('CODE-0001'), { status: 200 })
  t.match(emulator.order('CODE-0001'), { trade_state: 'REVOKED' }, 'and the money is returned')
})

t.test('v2 refuses missing fields, used or expired codes, and an insufficient balance', async t => {
  const { emulator } = await v3Caller(t)
  const { v2 } = createPay({ ...emulator.bothConfig, version: 'v2', merchant: { ...emulator.bothConfig.merchant, notifyUrl: 'http://127.0.0.1:1/x' } })
  const good = { body: '咖啡', out_trade_no: 'CODE-v2-1', total_fee: '100', spbill_create_ip: '127.0.0.1', auth_code: await emulator.authCode() }
  const answer = (change: Record<string, string>) => v2.post('/pay/micropay', { ...good, ...change }).catch((error: unknown) => error)
  for (const name of Object.keys(good)) t.match(await answer({ [name]: '' }), { wechatCode: 'LACK_PARAMS', wechatMessage: new RegExp(name) }, name)
  t.match(await answer({ auth_code: '20' }), { wechatCode: 'AUTH_CODE_INVALID' })
  t.match(await answer({ total_fee: '0' }), { name: 'WechatApiError' })
  t.match(await answer({}), { result_code: 'SUCCESS', total_fee: '100' })
  t.match(await answer({}), { name: 'WechatApiError' }, 'repeating a paid call does not pay twice')
  t.match(await answer({ out_trade_no: 'CODE-v2-2' }), { wechatCode: 'AUTH_CODE_INVALID' }, 'a code works once')
  t.match(await answer({ out_trade_no: 'CODE-v2-3', auth_code: await emulator.authCode('poor') }), { wechatCode: 'NOTENOUGH' })
  t.match(await answer({ out_trade_no: 'CODE-v2-4', auth_code: await emulator.authCode('expired') }), { wechatCode: 'AUTH_CODE_INVALID' })
  t.match(await answer({ out_trade_no: 'CODE-v2-5', auth_code: '130000000000000001' }), { result_code: 'SUCCESS' }, 'an unknown code belongs to the first visitor')
})

t.test('waiting for a missing notification fails with the notifications that were sent', async t => {
  const { emulator } = await v3Caller(t)
  await t.rejects(emulator.waitForNotification(() => false, { timeout: 20 }), { message: /in 0\.02 s: none was sent$/ })
  await emulator.app.inject({ method: 'POST', url: '/_emulator/trigger', payload: { event: 'payment', url: 'http://127.0.0.1:1/nobody' } })
  await t.rejects(emulator.waitForNotification(() => false, { timeout: 20 }), { message: /sent.*: payment .*, attempt \d to http:\/\/127\.0\.0\.1:1\/nobody: not accepted, /s })
})
