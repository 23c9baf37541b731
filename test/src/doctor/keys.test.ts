/** Keys and certificates with one problem at a time: the doctor reports exactly that one. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { diagnose } from '../../../src/index.ts'
import type { DiagnoseOptions, DiagnoseSettings } from '../../../src/index.ts'
import { pem } from '../../../plugins/emulator/keys/v3-keys.ts'
import { pkcs12, skip } from '../../helpers/certificates.ts'
import { healthy, merchantCertificate, reportsOnly, rsaKey, SECRETS, findProblems } from '../../helpers/doctor.ts'
import type { Healthy, Wrong } from '../../helpers/doctor.ts'

type Expected = Omit<Partial<Wrong>, 'message'> & { id: string, message?: RegExp }
type Change = (options: Healthy['options'], settings: DiagnoseSettings) => DiagnoseOptions | void

const foreign = rsaKey()
const ownPublicKey = ({ merchant }: Healthy['options']) => pem(createPublicKey(String(merchant.v3?.privateKey)))

const v3 = (options: Healthy['options'], change: object): DiagnoseOptions => ({ ...options, merchant: { ...options.merchant, v3: { ...options.merchant.v3, ...change } as never } })
const v2 = (options: Healthy['options'], change: object): DiagnoseOptions => ({ ...options, merchant: { ...options.merchant, v2: { ...options.merchant.v2, ...change } as never } })
const merchant = (options: Healthy['options'], change: object): DiagnoseOptions => ({ ...options, merchant: { ...options.merchant, ...change } })

const CASES: Array<[what: string, expected: Expected, change: Change]> = [
  ['no appId', { id: 'keys.app-id', message: /missing/ }, options => ({ ...options, appId: '' })],
  ['an appId of the wrong format', { id: 'keys.app-id', message: /wrong format/ }, options => ({ ...options, appId: '1900000109' })],
  ['no appSecret', { id: 'keys.app-secret', message: /missing/ }, options => ({ ...options, appSecret: '' })],
  ['a placeholder for appSecret', { id: 'keys.app-secret', message: /placeholder/ }, options => ({ ...options, appSecret: 'x'.repeat(32) })],
  ['a blank at the end of appSecret', { id: 'keys.app-secret', message: /32/ }, options => ({ ...options, appSecret: `${SECRETS.appSecret} ` })],
  ['no mchId', { id: 'keys.mch-id', message: /missing/ }, options => merchant(options, { mchId: '' })],
  ['a mchId with letters', { id: 'keys.mch-id', message: /8 to 10 digits/ }, options => merchant(options, { mchId: 'wx1900000109' })],
  ['v2\'s key cut', { id: 'keys.v2-key', message: /32/ }, options => v2(options, { apiKey: SECRETS.apiKey.slice(1) })],
  ['v3\'s key missing', { id: 'keys.v3-key', message: /missing/ }, options => v3(options, { apiV3Key: '' })],
  ['a certificate for the private key', { id: 'keys.private-key', message: /is a merchant's certificate/ }, options => v3(options, { privateKey: options.merchant.v2?.cert })],
  ['a file\'s name for the private key', { id: 'keys.private-key', message: /a file name/ }, options => v3(options, { privateKey: '/run/secrets/apiclient_key.pem' })],
  ['no private key', { id: 'keys.private-key', message: /missing/ }, options => v3(options, { privateKey: '' })],
  ['a truncated private key', { id: 'keys.private-key', message: /cannot be read/ }, options => v3(options, { privateKey: String(options.merchant.v3?.privateKey).replace(/\n.{64}\n/, '\n') })],
  ['a private key of another kind', { id: 'keys.private-key', message: /RSA/ }, options => v3(options, { privateKey: pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey) })],
  ['a private key that does not match its certificate', { id: 'keys.certificate', message: /is a private key/ }, options => v3(options, { certificate: pem(foreign) })],
  ['the certificate of another key', { id: 'keys.certificate', message: /does not belong to merchant\.v3\.privateKey/ }, options => v3(options, { certificate: merchantCertificate(foreign) })],
  ['the certificate of another merchant', { id: 'keys.certificate', message: /1900000999/ }, options => v3(options, { privateKey: pem(foreign), certificate: merchantCertificate(foreign, { name: '1900000999' }) })],
  ['a platform certificate for the merchant\'s', { id: 'keys.certificate', message: /platform certificate/ }, options => v3(options, { certificate: merchantCertificate(foreign, { name: 'Tenpay.com sign' }) })],
  ['an expired certificate', { id: 'keys.certificate-end', message: /expired on \d{4}-\d\d-\d\d/ }, options => v3(options, { privateKey: pem(foreign), serialNo: undefined, certificate: merchantCertificate(foreign, { from: -400, to: -2 }) })],
  ['a certificate that is not valid yet', { id: 'keys.certificate-end', message: /valid from/ }, options => v3(options, { privateKey: pem(foreign), serialNo: undefined, certificate: merchantCertificate(foreign, { from: 2 }) })],
  ['no serial number', { id: 'keys.serial-no', message: /missing/ }, options => v3(options, { serialNo: undefined, certificate: undefined })],
  ['a malformed serial number', { id: 'keys.serial-no', message: /hex/ }, options => v3(options, { serialNo: 'not hex at all' })],
  ['the public key\'s id for the serial number', { id: 'keys.serial-no', message: /public key/ }, options => v3(options, { serialNo: 'PUB_KEY_ID_0119000001092026' })],
  ['another certificate\'s serial number', { id: 'keys.serial-no', message: /another certificate/ }, options => v3(options, { serialNo: '5F00D5F00D5F00D5F00D' })],
  ['the public key without its id', { id: 'keys.public-key', message: /publicKeyId is missing/ }, options => v3(options, { publicKeyId: undefined })],
  ['the public key\'s id without the key', { id: 'keys.public-key', message: /publicKey is missing/ }, options => v3(options, { publicKey: undefined })],
  ['a serial number for the public key\'s id', { id: 'keys.public-key', message: /PUB_KEY_ID_/ }, options => v3(options, { publicKeyId: '5F00D5F00D' })],
  ['the merchant\'s own public key', { id: 'keys.public-key', message: /merchant's own/ }, options => v3(options, { publicKey: ownPublicKey(options) })],
  ['a certificate for the public key', { id: 'keys.public-key', message: /is a merchant's certificate/ }, options => v3(options, { publicKey: options.merchant.v2?.cert })],
  ['a truncated public key', { id: 'keys.public-key', message: /cannot be read/ }, options => v3(options, { publicKey: String(options.merchant.v3?.publicKey).replace(/\n.{64}\n/, '\n') })],
  ['cert without key', { id: 'keys.client-certificate', message: /merchant\.v2\.key is missing/ }, options => v2(options, { key: undefined })],
  ['key and cert swapped', { id: 'keys.client-certificate', message: /merchant\.v2\.cert is a private key/ }, options => v2(options, { cert: options.merchant.v2?.key, key: options.merchant.v2?.cert })],
  ['cert of another key', { id: 'keys.client-certificate', message: /does not belong/ }, options => v2(options, { cert: merchantCertificate(foreign) })],
  ['cert of another merchant', { id: 'keys.client-certificate', message: /1900000999/ }, options => v2(options, { key: pem(foreign), cert: merchantCertificate(foreign, { name: '1900000999' }) })],
  ['pfx and cert', { id: 'keys.client-certificate', message: /is set together with cert/ }, options => v2(options, { pfx: Buffer.from('x') })],
  ['a text for pfx', { id: 'keys.client-certificate', message: /PKCS#12/ }, options => v2(options, { pfx: 'x', cert: undefined, key: undefined })],
  ['an expired client certificate', { id: 'keys.client-certificate-end', message: /expired/ }, options => v2(options, { key: pem(foreign), cert: merchantCertificate(foreign, { from: -400, to: -2 }) })],
  ['an encryption key of 16 bytes', { id: 'keys.encryption-key', message: /32 bytes/ }, options => ({ ...options, encryptionKey: Buffer.alloc(16) })]
]

t.test('no problem', async t => {
  const { options, settings } = await healthy(t)
  t.same(await findProblems(t, options, settings), [])
  const { ok, checks } = await diagnose(options, settings)
  t.equal(ok, true)
  const passed = checks.filter(({ status }) => status === 'passed')
  t.ok(passed.length > 40, `${passed.length} have passed`)
  const { checks: offline } = await diagnose(options, { ...settings, offline: true })
  t.ok(offline.every(({ status }) => status === 'passed' || status === 'skipped'))
  t.same(offline.map(({ id }) => id), checks.map(({ id }) => id), 'each check has a line')
  t.equal(new Set(checks.map(({ id }) => id)).size, checks.length)
  t.ok(checks.every(({ id }) => /^[a-z0-9]+\.[a-z0-9-]+$/.test(id)))
})

t.test('one problem at a time', async t => {
  const { options, settings } = await healthy(t)
  for (const [what, expected, change] of CASES) {
    const own = { ...settings }
    await reportsOnly(t, what, expected, change(options, own) ?? options, own)
  }
})

t.test('the client certificate as PKCS#12', { skip }, async t => {
  const { options, settings } = await healthy(t)
  const { key, cert } = options.merchant.v2 as { key: string, cert: string }
  const as = (pfx: Buffer) => v2(options, { cert: undefined, key: undefined, pfx })
  t.same(await findProblems(t, as(pkcs12({ key, cert }, '1900000109')), settings), [])
  await reportsOnly(t, 'another pass phrase', { id: 'keys.client-certificate', message: /pass phrase/ }, as(pkcs12({ key, cert }, 'another one')), settings)
  await reportsOnly(t, 'the old format', { id: 'keys.client-certificate', message: /old format/, advice: /openssl pkcs12 -legacy/ as never }, as(pkcs12({ key, cert }, '1900000109', true)), settings)
  await reportsOnly(t, 'something else', { id: 'keys.client-certificate', message: /PKCS#12/ }, as(Buffer.from('rubbish')), settings)
})

t.test('a certificate that expires soon is a warning', async t => {
  const { options, settings } = await healthy(t)
  const soon = v2(options, { key: pem(foreign), cert: merchantCertificate(foreign, { to: 10 }) })
  const found = await findProblems(t, soon, { ...settings, offline: true })
  t.match(found, [{ id: 'keys.client-certificate-end', status: 'warning', message: /in \d+ days/ }])
  t.equal(found.length, 1)
})

t.test('v2 and v3 share a key', async t => {
  const { options, settings } = await healthy(t, { apiKey: SECRETS.apiV3Key })
  await reportsOnly(t, 'the same key', { id: 'keys.distinct', status: 'warning', message: /apiKey and merchant\.v3\.apiV3Key are the same/ }, options, settings)
})

t.test('an emulator\'s key is refused for WeChat\'s endpoints', async t => {
  const { options, settings } = await healthy(t)
  const found = await findProblems(t, v2({ ...options, endpoints: undefined } as never, { apiKey: `emulator${'x'.repeat(24)}` }), { ...settings, offline: true })
  t.match(found.filter(({ id }) => id.startsWith('keys.')), [{ id: 'keys.v2-key', message: /emulator's key/ }])
})

t.test('key files', { skip: process.platform === 'win32' }, async t => {
  const { options, settings } = await healthy(t)
  const path = join(t.testdir(), 'apiclient_key.pem')
  writeFileSync(path, 'x', { mode: 0o600 })
  const files = { 'apiclient_key.pem': path }
  t.same(await findProblems(t, options, { ...settings, files }), [])
  chmodSync(path, 0o644)
  await reportsOnly(t, 'readable by everyone', { id: 'keys.files', status: 'warning', message: /everyone/ }, options, { ...settings, files })
  await reportsOnly(t, 'a missing file', { id: 'keys.files', message: /ENOENT/ }, options, { ...settings, files: { 'apiclient_key.pem': `${path}.gone` } })
})
