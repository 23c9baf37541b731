/** WeChat Pay's refusals and unverifiable answers, one at a time. */
import { createPublicKey } from 'node:crypto'
import t from 'tap'
import { pem } from '../../../plugins/emulator/keys/v3-keys.ts'
import type { DiagnoseOptions } from '../../../src/index.ts'
import { diagnose } from '../../../src/index.ts'
import { healthy, merchantCertificate, reportsOnly, rsaKey, spoilingProxy, findProblems } from '../../helpers/doctor.ts'
import type { Healthy } from '../../helpers/doctor.ts'

type Options = Healthy['options']
const foreign = rsaKey()
const v3 = (options: Options, change: object): DiagnoseOptions => ({ ...options, merchant: { ...options.merchant, v3: { ...options.merchant.v3, ...change } as never } })
const v2 = (options: Options, change: object): DiagnoseOptions => ({ ...options, merchant: { ...options.merchant, v2: { ...options.merchant.v2, ...change } as never } })
const NO_CERT = { certificate: undefined }

t.test('APIv3 refuses', async t => {
  const { emulator, options, settings } = await healthy(t)
  const withFault = async (kind: string, path: string, times = 3) => {
    await emulator.clearFaults()
    await emulator.fault({ kind, path, times })
  }
  const ORDERS = '/v3/pay/transactions/out-trade-no/'
  await reportsOnly(t, 'a serial number that WeChat does not know', { id: 'v3.signature', message: /serial number/, wechatCode: 'SIGN_ERROR', requestId: /-268443699$/ as never }, v3(options, { ...NO_CERT, serialNo: '5F00D5F00D5F00D5F00D5F00D5F00D' }), settings)
  await reportsOnly(t, 'another private key', { id: 'v3.signature', message: /private key does not belong/ }, v3(options, { ...NO_CERT, privateKey: pem(foreign) }), settings)
  await reportsOnly(t, 'an unknown merchant', { id: 'pay.merchant', message: /does not know this merchant/ }, { ...options, merchant: { mchId: '1900000998', notifyUrl: options.merchant.notifyUrl as string, v3: { ...options.merchant.v3 as object, ...NO_CERT } as never } }, settings)
  await reportsOnly(t, 'an unknown merchant, with v2', { id: 'pay.merchant', message: /mch_id/ }, { ...options, merchant: { mchId: '1900000998', notifyUrl: options.merchant.notifyUrl as string, v2: { apiKey: (options.merchant.v2 as { apiKey: string }).apiKey } } }, settings)

  await withFault('NO_AUTH', ORDERS)
  await reportsOnly(t, 'no permission to query', { id: 'v3.query', wechatCode: 'NO_AUTH', advice: /apply for the product/ as never }, options, settings)
  await withFault('NO_AUTH', '/v3/refund/')
  await reportsOnly(t, 'no permission for refunds', { id: 'v3.refunds', wechatCode: 'NO_AUTH' }, options, settings)
  await withFault('NO_AUTH', '/v3/bill/')
  await reportsOnly(t, 'no permission for bills', { id: 'v3.bills', wechatCode: 'NO_AUTH' }, options, settings)
  await withFault('html', ORDERS)
  await reportsOnly(t, 'a page instead of an answer', { id: 'v3.signature', message: /not with JSON/ }, options, settings)
  await withFault('hang', ORDERS)
  await reportsOnly(t, 'no answer', { id: 'v3.signature', message: /TIMEOUT/ }, { ...options, http: { ...options.http, timeout: 2500 } }, settings)
  await withFault('reset', '/v3/refund/')
  await reportsOnly(t, 'a reset connection', { id: 'v3.refunds', message: /UND_ERR_SOCKET|ECONNRESET/ }, options, settings)
  // The clock check calls this path without a signature first; the fault applies to later calls.
  await withFault('SYSTEM_ERROR', '/v3/certificates')
  const found = await findProblems(t, options, settings)
  t.match(found, [{ id: 'v3.keys', wechatCode: 'SYSTEM_ERROR' }])
  t.equal(found.length, 1)
})

t.test('APIv3 answers signed with different keys', async t => {
  const passed = async (options: DiagnoseOptions, settings: object) => {
    const { checks } = await diagnose(options, settings)
    t.same(checks.filter(({ status }) => status === 'failed' || status === 'warning'), [])
    return Object.fromEntries(checks.map(({ id, message }) => [id, message]))
  }
  const both = await healthy(t)
  t.match(await passed(both.options, both.settings), { 'v3.keys': /switch is in progress/, 'v3.answer': /public key/, 'v3.api-v3-key': /apiV3Key decrypts/ })
  const byKey = await healthy(t, { keyMode: 'public-key' })
  t.match(await passed(byKey.options, byKey.settings), { 'v3.keys': /public key only/, 'v3.answer': /public key/, 'v3.api-v3-key': /before the first notification/ })
  const byCertificate = await healthy(t, { keyMode: 'certificate' })
  t.match(await passed(v3(byCertificate.options, { publicKeyId: undefined, publicKey: undefined }), byCertificate.settings), { 'v3.keys': /1 platform certificates, the last one valid until/, 'v3.answer': /platform certificate [0-9A-F]+/ })

  await reportsOnly(t, 'the public key is missing', { id: 'v3.keys', message: /public key is required/, wechatCode: 'RESOURCE_NOT_EXISTS' }, v3(byKey.options, { publicKeyId: undefined, publicKey: undefined }), byKey.settings)
  await reportsOnly(t, 'another public key', { id: 'v3.answer', message: /signature is invalid: PUB_KEY_ID_/ }, v3(byKey.options, { publicKey: pem(createPublicKey(pem(foreign))) }), byKey.settings)
  await reportsOnly(t, 'another public key\'s id', { id: 'v3.answer', message: /not configured/ }, v3(byKey.options, { publicKeyId: 'PUB_KEY_ID_0000000000' }), byKey.settings)
  await reportsOnly(t, 'another APIv3 key', { id: 'v3.api-v3-key', message: /does not decrypt/ }, v3(byCertificate.options, { publicKeyId: undefined, publicKey: undefined, apiV3Key: 'canaryother00000canaryother00000' }), byCertificate.settings)
  // Before the switch is started, WeChat signs with certificates whatever the header says (witnesses, November 2026).
  const { publicKeyId, publicKey } = byKey.options.merchant.v3 as { publicKeyId: string, publicKey: string }
  t.match(await passed(v3(byCertificate.options, { publicKeyId, publicKey }), byCertificate.settings), { 'v3.keys': /switch is prepared/, 'v3.answer': /platform certificate/ })
})

t.test('APIv3 behind an interfering proxy', async t => {
  const { emulator, options, settings } = await healthy(t)
  const { cert: _cert, key: _key, ...plain } = options.merchant.v2 as { apiKey: string, cert: string, key: string }
  const through = async (change: Parameters<typeof spoilingProxy>[2]) => {
    const pay = await spoilingProxy(t, emulator.origin, change)
    return { ...options, merchant: { ...options.merchant, v2: plain }, endpoints: { ...options.endpoints, pay, payBackup: pay } }
  }
  const isOrder = (url: string) => url.startsWith('/v3/pay/')
  await reportsOnly(t, 'answers without signature', { id: 'v3.answer', message: /not signed/ }, await through({
    reply: ({ url, headers }) => isOrder(url) ? { headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('wechatpay-'))) } : undefined
  }), settings)
  await reportsOnly(t, 'answers that were changed', { id: 'v3.answer', message: /signature is invalid/ }, await through({
    reply: ({ url, body }) => isOrder(url) ? { body: Buffer.from(`${body.toString()} `) } : undefined
  }), settings)
  await reportsOnly(t, 'v2\'s answers that were changed', { id: 'v2.answer', message: /missing or wrong/ }, await through({
    reply: ({ url, body }) => url === '/pay/orderquery' ? { body: Buffer.from(body.toString().replace(/<nonce_str>.*?<\/nonce_str>/, '')) } : undefined
  }), settings)
  await reportsOnly(t, 'a signature type that v2 refuses', { id: 'v2.other-signature', status: 'warning', message: /HMAC-SHA256/ }, await through({
    request: ({ url, body }) => url === '/pay/orderquery' && body.includes('HMAC-SHA256') ? { answer: { status: 200, body: '<xml><return_code>FAIL</return_code><return_msg>签名错误，请检查后再试</return_msg></xml>' } } : undefined
  }), settings)
  // WeChat's messages: shared witnesses, v2.
  await reportsOnly(t, 'an appId of another merchant', { id: 'pay.app-id', message: /appid和mch_id不匹配/ }, await through({
    request: ({ url }) => url === '/pay/orderquery' ? { answer: { status: 200, body: '<xml><return_code>FAIL</return_code><return_msg>appid和mch_id不匹配</return_msg></xml>' } } : undefined
  }), settings)
  await reportsOnly(t, 'a page instead of v2\'s answer', { id: 'v2.reply', message: /HTTP 200/ }, await through({
    request: ({ url }) => url === '/pay/orderquery' ? { answer: { status: 200, body: '<html><p>blocked<p></html>' } } : undefined
  }), settings)
  await reportsOnly(t, 'the last platform certificate expires', { id: 'v3.keys', status: 'warning', message: /last platform certificate expires/ }, await soon(), settings)

  async function soon () {
    const expiring = await through({
      reply ({ url, body }) {
        if (url !== '/v3/certificates' || !body.includes('expire_time')) return undefined
        const answer = JSON.parse(body.toString()) as { data: Array<{ expire_time: string }> }
        for (const one of answer.data) one.expire_time = new Date(Date.now() + 86_400_000).toISOString()
        return { body: Buffer.from(JSON.stringify(answer)) }
      }
    })
    return v3(expiring as Options, { publicKeyId: undefined, publicKey: undefined })
  }
})

t.test('v2 refuses', async t => {
  const { emulator, options, settings } = await healthy(t)
  await reportsOnly(t, 'another API key', { id: 'v2.signature', message: /refuses the MD5 signature/ }, v2(options, { apiKey: 'canaryother00000canaryother00000' }), settings)
  await reportsOnly(t, 'another API key, with HMAC', { id: 'v2.signature', message: /refuses the HMAC-SHA256 signature/ }, v2(options, { apiKey: 'canaryother00000canaryother00000', signType: 'HMAC-SHA256' }), settings)
  await reportsOnly(t, 'a certificate that WeChat did not issue', { id: 'v2.client-certificate', message: /HTTP 400/ }, v2(options, { key: pem(foreign), cert: merchantCertificate(foreign) }), settings)
  await reportsOnly(t, 'the sandbox', { id: 'v2.sandbox', status: 'warning' }, v2(options, { sandbox: true }), settings)
  await emulator.fault({ kind: 'APPID_NOT_EXIST', path: '/pay/orderquery', times: 3 })
  await reportsOnly(t, 'an appId that WeChat Pay does not know', { id: 'pay.app-id', wechatCode: 'APPID_NOT_EXIST' }, options, settings)
  await emulator.clearFaults()
  await emulator.fault({ kind: 'CERT_ERROR', path: '/mmpaymkttransfers/gettransferinfo', times: 3 })
  await reportsOnly(t, 'a certificate that was replaced', { id: 'v2.client-certificate', wechatCode: 'CERT_ERROR' }, options, settings)
  await emulator.clearFaults()
  await emulator.fault({ kind: 'ACCOUNTERROR', path: '/pay/orderquery', times: 3 })
  await reportsOnly(t, 'a merchant without permission', { id: 'v2.signature', wechatCode: 'ACCOUNTERROR' }, options, settings)
})

t.test('service providers', async t => {
  const { options, settings } = await healthy(t, { subMerchants: [{ subMchId: '1900000201' }] })
  t.same(await findProblems(t, { ...options, merchant: { ...options.merchant, subMchId: '1900000201' } }, settings), [])
})

t.test('the checks change nothing at WeChat', async t => {
  const { emulator, options, settings } = await healthy(t)
  await diagnose(options, settings)
  const calls = await emulator.calls()
  const READS = [/^GET /, /^POST \/cgi-bin\/stable_token$/, /^POST \/cgi-bin\/openapi\/quota\/get\?/, /^POST \/pay\/orderquery$/, /^POST \/mmpaymkttransfers\/gettransferinfo$/]
  t.same(calls.map(({ method, url }) => `${method} ${url}`).filter(call => !READS.some(read => read.test(call))), [])
  t.notOk(calls.some(({ request }) => /force_refresh/.test(request)), 'no token is replaced')
  t.notOk(calls.some(({ url }) => url.startsWith('/cgi-bin/token')), 'nor by the older endpoint')
  t.ok(calls.length > 12)
  t.same(emulator.refunds(), [])
})
