/** Keys and certificates: recognized, fetched once, renewed, rotated, and not fetched for unknown serial numbers. */
import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import type { KeyMode } from '../../../../plugins/emulator/server/emulator.ts'
import { createV3Keys } from '../../../../plugins/emulator/keys/v3-keys.ts'
import { checkMerchant } from '../../../../src/pay/merchant.ts'
import type { CheckedV3, MerchantV3 } from '../../../../src/pay/merchant.ts'
import { createV3Client } from '../../../../src/pay/v3/client.ts'
import { createMemoryStore } from '../../../../src/store/memory.ts'
import type { Store } from '../../../../src/store/store.ts'
import { ACCOUNT, testClock, testEmulator } from '../../../helpers/account.ts'
import { encryptedKey, skip } from '../../../helpers/certificates.ts'

const keys = createV3Keys(ACCOUNT.merchant.mchId)
const pem = (key: KeyObject, type: 'pkcs1' | 'pkcs8' | 'spki') => key.export({ type: type as 'pkcs1', format: 'pem' }) as string
const v3: MerchantV3 = { serialNo: keys.merchant.serial, privateKey: pem(keys.merchant.key, 'pkcs8'), apiV3Key: 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6' }
const publicKey = pem(keys.wechat.publicKey, 'spki')
const check = (change: Partial<MerchantV3>) => checkMerchant({ mchId: ACCOUNT.merchant.mchId, v3: { ...v3, ...change } }, 'https://api.mch.weixin.qq.com').v3!

t.test('P17 a key in the wrong option is an error that says what it is', { skip }, async t => {
  t.equal(check({ privateKey: pem(keys.merchant.key, 'pkcs1') }).serialNo, keys.merchant.serial, 'PKCS#1 and PKCS#8')
  t.equal(check({ serialNo: undefined, certificate: keys.merchant.cert } as never).serialNo, keys.merchant.serial, 'the serial is read from the certificate')
  t.equal(check({ serialNo: keys.merchant.serial.toLowerCase() }).serialNo, keys.merchant.serial)
  t.ok(check({ privateKey: Buffer.from(v3.privateKey as string), publicKeyId: keys.wechat.id, publicKey: Buffer.from(publicKey) }).publicKey)
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const wrong: Array<[Partial<MerchantV3>, string, RegExp]> = [
    [{ privateKey: keys.merchant.cert }, 'merchant.v3.privateKey', /is a merchant's certificate/],
    [{ privateKey: keys.platform()[0]!.cert }, 'merchant.v3.privateKey', /is a WeChat Pay certificate/],
    [{ privateKey: '-----BEGIN CERTIFICATE-----' }, 'merchant.v3.privateKey', /is a certificate$/],
    [{ serialNo: undefined, certificate: keys.platform()[0]!.cert } as never, 'merchant.v3.certificate', /does not belong to the private key: it is a WeChat Pay certificate/],
    [{ privateKey: publicKey }, 'merchant.v3.privateKey', /is a public key/],
    [{ privateKey: encryptedKey(v3.privateKey as string, 'secret') }, 'merchant.v3.privateKey', /is an encrypted private key/],
    [{ privateKey: 'apiclient_key.pem' }, 'merchant.v3.privateKey', /a file name/],
    [{ privateKey: 'canary' }, 'merchant.v3.privateKey', /not PEM/],
    [{ privateKey: '-----BEGIN DSA-----' }, 'merchant.v3.privateKey', /unknown type of PEM/],
    [{ privateKey: '' }, 'merchant.v3.privateKey', /is required/],
    [{ privateKey: pem(ec.privateKey, 'pkcs8') }, 'merchant.v3.privateKey', /not RSA/],
    [{ privateKey: (v3.privateKey as string).slice(0, 200) }, 'merchant.v3.privateKey', /damaged/],
    [{ publicKeyId: keys.wechat.id, publicKey: keys.platform()[0]!.cert }, 'merchant.v3.publicKey', /is a WeChat Pay certificate.*are fetched/],
    [{ publicKeyId: keys.wechat.id, publicKey: v3.privateKey as string }, 'merchant.v3.publicKey', /is a private key/],
    [{ publicKeyId: keys.wechat.id, publicKey: '-----BEGIN CERTIFICATE REQUEST-----' }, 'merchant.v3.publicKey', /certificate request/],
    [{ publicKey }, 'merchant.v3.publicKeyId', /missing/],
    [{ publicKeyId: keys.wechat.id }, 'merchant.v3.publicKey', /missing/],
    [{ publicKeyId: keys.merchant.serial, publicKey }, 'merchant.v3.publicKeyId', /malformed/],
    [{ serialNo: keys.wechat.id }, 'merchant.v3.serialNo', /publicKeyId/],
    [{ serialNo: 'x' }, 'merchant.v3.serialNo', /malformed/],
    [{ serialNo: undefined } as never, 'merchant.v3.serialNo', /required/],
    [{ serialNo: undefined, certificate: publicKey } as never, 'merchant.v3.certificate', /is a public key/],
    [{ apiV3Key: 'short' }, 'merchant.v3.apiV3Key', /32 characters/],
    [{ apiV3Key: 'emulator012345678901234567890123' }, 'merchant.v3.apiV3Key', /emulator/]
  ]
  for (const [change, option, message] of wrong) t.throws(() => check(change), { code: 'WECHAT_CONFIG', option, message }, String(message))
})

async function stage (t: Test, keyMode: KeyMode, { store, change = {} }: { store?: Store, change?: Partial<CheckedV3> } = {}) {
  const emulator = await testEmulator(t, { keyMode })
  const { merchant, endpoints, http } = emulator.v3Config
  const clock = testClock()
  const shared = store ?? createMemoryStore(clock)
  const checked = { ...checkMerchant(merchant, endpoints.pay).v3!, ...change }
  const make = () => createV3Client({ http: { ...http, retries: 0 }, bases: [endpoints.pay], merchant: checked, store: shared, clock })
  return { emulator, clock, make, client: make() }
}

t.test('platform certificates: fetched on first use, cached, shared, renewed, rotated', async t => {
  const { emulator, clock, make, client } = await stage(t, 'certificate')
  const query = (who = client) => who.request('GET', '/v3/pay/transactions/out-trade-no/none123', { query: { mchid: emulator.account.mchId } })
  const known = { code: 'WECHAT_API', wechatCode: 'ORDER_NOT_EXIST', signed: true } as const
  await t.rejects(query(), known)
  // From here on, another download would fail.
  await emulator.fault({ path: '/v3/certificates', kind: '502', times: 99 })
  await Promise.all(Array.from({ length: 10 }, async () => { await t.rejects(query(), known) }))
  await t.rejects(query(make()), known, 'another process reads them from the store')

  const serial = await emulator.rotateCertificate()
  await emulator.clearFaults()
  clock.pass(61_000)
  await t.rejects(query(), known, 'a new serial number: fetched once more')
  t.ok(await client.keys.keyFor(serial))
  t.equal((await client.keys.current()).serial, serial, 'the newest is used for encryption')

  clock.pass(13 * 3600_000)
  const third = await emulator.rotateCertificate()
  t.ok(await client.keys.keyFor(serial), 'no waiting')
  await new Promise(resolve => setTimeout(resolve, 500))
  await emulator.fault({ path: '/v3/certificates', kind: '502', times: 99 })
  t.ok(await client.keys.keyFor(third), 'renewed in the background twice a day')
})

t.test('a flood of unknown serial numbers causes one download', async t => {
  const { emulator, client, clock } = await stage(t, 'certificate')
  t.ok((await client.keys.current()).serial)
  clock.pass(61_000)
  await emulator.fault({ path: '/v3/certificates', kind: 'html', times: 1 })
  const unknownSerials = Array.from({ length: 200 }, (_none, at) => `ABCDEF${String(at).padStart(34, '0')}`)
  const outcomes = await Promise.allSettled(unknownSerials.map(serial => client.keys.keyFor(serial)))
  t.equal(outcomes.filter(({ status }) => status === 'rejected').length, 200, 'all waited for the same failing download')
  await emulator.fault({ path: '/v3/certificates', kind: '502', times: 99 })
  for (const serial of unknownSerials) t.equal(await client.keys.keyFor(serial), undefined)
})

t.test('with only the public key, certificates are never fetched', async t => {
  const { emulator, client } = await stage(t, 'public-key')
  await emulator.fault({ path: '/v3/certificates', kind: '502', times: 99 })
  await t.rejects(client.request('GET', '/v3/refund/domestic/refunds/none'), { code: 'WECHAT_API', signed: true })
  const { merchant: { v3: { publicKeyId } } } = emulator.v3Config
  t.equal((await client.keys.current()).serial, publicKeyId)
  t.equal(await client.keys.keyFor('PUB_KEY_ID_0other'), undefined)
})

t.test('N17 during a switch both kinds are accepted, and afterwards the old one is refused', async t => {
  const { emulator, client } = await stage(t, 'both')
  const ask = () => client.request('GET', '/v3/refund/domestic/refunds/none')
  await t.rejects(ask(), { code: 'WECHAT_API', signed: true })
  await emulator.setKeyMode('certificate')
  await t.rejects(ask(), { code: 'WECHAT_API', signed: true }, 'certificates in addition to the public key')
  const without = await stage(t, 'public-key', { change: { publicKeyId: 'PUB_KEY_ID_0OLD' } })
  await t.rejects(without.client.request('GET', '/v3/refund/domestic/refunds/none'), { code: /WECHAT/ } as never, 'an id that WeChat no longer uses')
  await t.rejects(emulator.setKeyMode('other' as KeyMode), { message: /mode must be/ })
})

t.test('a merchant without a public key or certificates', async t => {
  const { client } = await stage(t, 'public-key', { change: { publicKeyId: undefined, publicKey: undefined, publicKeys: new Map() } })
  await t.rejects(client.keys.current(), { code: 'WECHAT_API', wechatCode: 'RESOURCE_NOT_EXISTS', message: /微信支付公钥/ })
  await t.rejects(client.keys.current(), { code: 'WECHAT_CONFIG', option: 'merchant.v3.publicKey' }, 'and not fetched again immediately')
})

t.test('a wrong APIv3 key, invalid data in the store, an unavailable store', async t => {
  const other = await stage(t, 'certificate', { change: { apiV3Keys: ['a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6'] } })
  await t.rejects(other.client.keys.current(), { code: 'WECHAT_REPLY', message: /apiV3Key/ })
  for (const invalid of ['{', '"text"', '[5]']) {
    const store = createMemoryStore()
    const { client, emulator } = await stage(t, 'certificate', { store })
    await store.set(`wechat:{${emulator.account.mchId}}:v3:certificates`, invalid, 60_000)
    t.ok((await client.keys.current()).serial, invalid)
  }
  const unavailable = createMemoryStore()
  unavailable.acquire = async () => { throw new Error('away') }
  const { client } = await stage(t, 'certificate', { store: unavailable })
  t.ok((await client.keys.current()).serial)
  const busy = createMemoryStore()
  const shared = await stage(t, 'certificate', { store: busy })
  await busy.acquire(`wechat:{${shared.emulator.account.mchId}}:v3:certificates`, 'another', 200)
  t.ok((await shared.client.keys.current()).serial, 'waits for the other process, and takes over when it crashes')
})
