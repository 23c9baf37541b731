/** Expiring certificates are reported in status(), in the log and as a metric. */
import { execFileSync } from 'node:child_process'
import Fastify from 'fastify'
import { Registry } from 'prom-client'
import t from 'tap'
import { measureCertificates } from '../../examples/observability/prometheus.ts'
import { notify, pay } from '../../plugins/wechat-pay.ts'
import { expiring } from '../../src/pay/expiry.ts'
import { ACCOUNT, testEmulator } from '../helpers/account.ts'
import { pkcs12, selfSigned, skip } from '../helpers/certificates.ts'

const DAY = 86_400_000
const { appId, merchant } = ACCOUNT

t.test('the merchant\'s certificates are listed, with a warning a month before expiry', { skip }, async t => {
  const soon = selfSigned(merchant.mchId, '20')
  const later = selfSigned(merchant.mchId, '200')
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(pay, {
    appId,
    merchant: { ...merchant, v2: { ...merchant.v2, pfx: pkcs12(soon, merchant.mchId) }, v3: { privateKey: later.key, certificate: later.cert, apiV3Key: merchant.v2.apiKey } }
  })
  const { mchId, certificates } = app.wechatPay.status()
  t.equal(mchId, merchant.mchId)
  const [first, second] = certificates
  t.match(certificates, [{ of: 'merchant.v2', serialNo: /^[0-9A-F]+$/ }, { of: 'merchant.v3', serialNo: /^[0-9A-F]+$/ }])
  t.ok(Math.abs(first!.validTo.getTime() - Date.now() - 20 * DAY) < DAY)
  t.ok(Math.abs(second!.validTo.getTime() - Date.now() - 200 * DAY) < DAY)
  // Compare with openssl's output.
  const output = execFileSync('openssl', ['x509', '-noout', '-serial', '-enddate'], { input: soon.cert }).toString()
  t.match(output, `serial=${first!.serialNo}`)
  t.equal(Date.parse(String(/notAfter=(.*)/.exec(output)?.[1])), first!.validTo.getTime())
  await app.ready()
  t.equal(lines.length, 1, 'only the one that expires soon')
  t.match(JSON.parse(lines[0]!), { account: appId, certificate: 'merchant.v2', days: 19, serialNo: first!.serialNo })
  t.notMatch(lines[0], merchant.v2.apiKey)

  const registry = new Registry()
  measureCertificates(registry, () => [{ account: appId, certificates: app.wechatPay.status().certificates }])
  const text = await registry.metrics()
  t.match(text, `wechat_certificate_ends_seconds{account="${appId}",of="merchant.v2",serial="${first!.serialNo}"} ${first!.validTo.getTime() / 1000}`)
})

t.test('"expiring": the merchant\'s certificates within thirty days of expiry, and expired ones', async t => {
  const now = Date.now()
  const at = (days: number, of: 'merchant.v3' | 'platform' = 'merchant.v3') => ({ of, serialNo: String(days), validTo: new Date(now + days * DAY) })
  t.same(expiring([at(31), at(29), at(0), at(-5), at(3, 'platform')], now).map(({ serialNo }) => serialNo), ['29', '0', '-5'])
})

t.test('accounts: status() lists each account\'s certificates, including platform certificates', async t => {
  const emulator = await testEmulator(t, { keyMode: 'certificate' })
  const { publicKey: _none, publicKeyId: _none2, ...v3 } = emulator.bothConfig.merchant.v3
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(notify, {
    accounts: { find: () => ({ ...emulator.bothConfig, merchant: { mchId: emulator.bothConfig.merchant.mchId, v3, notifyUrl: 'https://shop.test/notify' } }) },
    onPayment () {}
  })
  const account = await app.wechatAccounts.get('a')
  t.match(app.wechatAccounts.status().accounts, [{ id: 'a', certificates: [] }], 'nothing loaded yet')
  await t.rejects(account.pay.query({ outTradeNo: 'NOTHING1' }), { code: 'WECHAT_API' })
  const [kept] = app.wechatAccounts.status().accounts
  t.match(kept?.certificates, [{ of: 'platform', serialNo: /^[0-9A-F]+$/ }])
  t.ok(kept!.certificates[0]!.validTo.getTime() > Date.now())
})
