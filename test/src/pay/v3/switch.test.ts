/**
 * K1: the switch from platform certificates to the public key, in all its states. WeChat's behaviour is taken from its page
 * doc/v3/merchant/4012154180 and from public threads: before the switch is started, and after it was stopped, everything
 * is signed with the certificate, whatever a request's Wechatpay-Serial says (WxJava 3454, 3528). During the switch, answers
 * follow that header, and notifications are signed with either (WxJava 3595). Afterwards there is only the public key, and
 * no certificate (WxJava 3412, wechatpay-java 306, 400).
 */
import { createCipheriv, createPublicKey, randomBytes, sign, X509Certificate } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { createEncryptedStore } from '../../../../src/store/encrypted.ts'
import { createMemoryStore } from '../../../../src/store/memory.ts'
import type { Store } from '../../../../src/store/store.ts'
import { checkMerchant } from '../../../../src/pay/merchant.ts'
import { createV3Client } from '../../../../src/pay/v3/client.ts'
import { verifyMessage } from '../../../../src/pay/v3/message.ts'
import { testClock } from '../../../helpers/account.ts'
import { selfSigned, skip } from '../../../helpers/certificates.ts'
import { fakeServer } from '../../../helpers/fake-server.ts'
import type { Answer } from '../../../helpers/fake-server.ts'

const MCH_ID = '1900000109'
const API_KEY = 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6'
const QUERY = '/v3/pay/transactions/out-trade-no/S1234567890'
const CERTIFICATES = '/v3/certificates'

interface Pair { serial: string, key: string, cert: string }

type State = 'not started' | 'under way' | 'stopped' | 'over'
/** WeChat's answers if there are no certificates. */
type None = '404' | '403' | 'empty'

interface WechatState { state: State, none?: None, down?: boolean, apiKey?: string, signer?: Pair }

t.test('K1 the switch', { skip }, async t => {
  const certificate = (name: string): Pair => {
    const { key, cert } = selfSigned(name)
    return { serial: new X509Certificate(cert).serialNumber, key, cert }
  }
  const merchant = certificate(MCH_ID)
  const platform = certificate('Tenpay.com sign')
  const unrelated = certificate('Tenpay.com sign')
  const ours: Pair = { ...certificate('public key'), serial: 'PUB_KEY_ID_0119000001092024112600000000000001' }
  const publicKey = createPublicKey(ours.key).export({ type: 'spki', format: 'pem' }) as string

  /** Written from WeChat's documentation, without our own code. */
  function signedBy ({ serial, key }: Pair, body: string): Record<string, string> {
    const [timestamp, nonce] = [String(Math.floor(Date.now() / 1000)), randomBytes(16).toString('hex')]
    return {
      'wechatpay-timestamp': timestamp,
      'wechatpay-nonce': nonce,
      'wechatpay-serial': serial,
      'wechatpay-signature-type': 'WECHATPAY2-SHA256-RSA2048',
      'wechatpay-signature': sign('sha256', Buffer.from(`${timestamp}\n${nonce}\n${body}\n`), key).toString('base64')
    }
  }

  function offered ({ serial, cert }: Pair, apiKey: string) {
    const nonce = randomBytes(6).toString('hex')
    const cipher = createCipheriv('aes-256-gcm', apiKey, nonce).setAAD(Buffer.from('certificate'))
    const ciphertext = Buffer.concat([cipher.update(cert), cipher.final(), cipher.getAuthTag()]).toString('base64')
    return { serial_no: serial, effective_time: '2026-11-01T00:00:00+08:00', expire_time: '2031-11-01T00:00:00+08:00', encrypt_certificate: { algorithm: 'AEAD_AES_256_GCM', nonce, associated_data: 'certificate', ciphertext } }
  }

  const wechat = (now: WechatState): Answer => ({ url, headers }, reply) => {
    const { state, none = '404', down = false, apiKey = API_KEY, signer } = now
    const byPublicKey = state === 'over' || (state === 'under way' && headers['wechatpay-serial'] === ours.serial)
    const answer = (status: number, value: object) => {
      const body = JSON.stringify(value)
      reply.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...signedBy(signer ?? (byPublicKey ? ours : platform), body) }).end(body)
    }
    if (!url.startsWith(CERTIFICATES)) return answer(200, { trade_state: 'NOTPAY' })
    if (down) return reply.writeHead(502).end('<html>')
    if (state !== 'over') return answer(200, { data: [offered(signer ?? platform, apiKey)] })
    if (none === '404') return answer(404, { code: 'RESOURCE_NOT_EXISTS', message: '无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥。' })
    return none === '403' ? answer(403, { code: 'NOT_ENOUGH', message: '平台证书已过期失效，请联系微信支付技术支持。' }) : answer(200, { data: [] })
  }

  async function stage (t: Test, state: WechatState, { withPublicKey = true, store }: { withPublicKey?: boolean, store?: Store } = {}) {
    const server = await fakeServer(wechat(state))
    t.teardown(server.close)
    const clock = testClock()
    const shared = store ?? createMemoryStore(clock)
    const v3 = { serialNo: merchant.serial, privateKey: merchant.key, apiV3Key: API_KEY, ...(withPublicKey && { publicKeyId: ours.serial, publicKey }) }
    const make = () => {
      const client = createV3Client({ http: { retries: 0 }, bases: [server.origin], merchant: checkMerchant({ mchId: MCH_ID, v3 }, server.origin).v3!, store: shared, clock })
      return {
        query: () => client.request('GET', QUERY, { query: { mchid: MCH_ID } }),
        notified: async (by: Pair) => await verifyMessage(signedBy(by, '{"id":"1"}'), Buffer.from('{"id":"1"}'), client.keys.keyFor),
        keys: client.keys
      }
    }
    return { ...make(), make, clock, store: shared, become: (state: WechatState) => { server.become(wechat(state)) }, fetched: () => server.seen.filter(({ url }) => url.startsWith(CERTIFICATES)).length, server }
  }

  const forged = async (t: Test, notified: (by: Pair) => Promise<string>) => {
    t.equal(await notified({ ...unrelated, serial: ours.serial }), 'false', 'a foreign signature with the public key\'s id')
    t.equal(await notified({ ...unrelated, serial: platform.serial }), 'false', 'a foreign signature with the certificate\'s serial')
    t.equal(await notified(unrelated), 'unknown key')
    t.equal(await notified({ ...ours, serial: 'PUB_KEY_ID_0other' }), 'unknown key')
  }

  for (const state of ['not started', 'under way', 'stopped'] as const) {
    for (const first of ['an answer', 'a notification by certificate', 'a notification by public key'] as const) {
      t.test(`${state}, with the public key configured; the first message is ${first}`, async t => {
        const { query, notified, make, fetched } = await stage(t, { state })
        const all = {
          'an answer': async () => { t.match(await query(), { trade_state: 'NOTPAY' }) },
          'a notification by certificate': async () => { t.equal(await notified(platform), 'genuine') },
          'a notification by public key': async () => { t.equal(await notified(ours), 'genuine') }
        }
        await all[first]()
        for (const check of Object.values(all)) await check()
        await forged(t, notified)
        const other = make()
        t.equal(await other.notified(platform), 'genuine', 'another process reads them from the store')
        t.equal(await other.notified(ours), 'genuine')
        t.match(await other.query(), { trade_state: 'NOTPAY' })
        t.equal(fetched(), 1)
        t.equal((await other.keys.current()).serial, ours.serial, 'sensitive fields are encrypted with the public key')
      })
    }
  }

  t.test('certificates only, while WeChat switches', async t => {
    for (const state of ['not started', 'under way', 'stopped'] as const) {
      const { query, notified } = await stage(t, { state }, { withPublicKey: false })
      t.match(await query(), { trade_state: 'NOTPAY' }, 'without the header, answers are signed with the certificate')
      t.equal(await notified(platform), 'genuine')
      t.equal(await notified(ours), 'unknown key', 'the public key must be configured')
      t.equal(await notified({ ...unrelated, serial: platform.serial }), 'false')
    }
  })

  for (const none of ['404', '403', 'empty'] as const) {
    t.test(`after the switch, no certificates (${none})`, async t => {
      const { query, notified, fetched, clock } = await stage(t, { state: 'over', none })
      t.match(await query(), { trade_state: 'NOTPAY' })
      t.equal(await notified(ours), 'genuine')
      t.equal(fetched(), 0, 'certificates are not fetched')
      t.equal(await notified(platform), 'unknown key', 'refused as not genuine')
      t.equal(await notified({ ...unrelated, serial: ours.serial }), 'false')
      for (let at = 0; at < 20; at++) t.equal(await notified(unrelated), 'unknown key')
      t.equal(fetched(), 1, 'a flood causes one download')
      clock.pass(61_000)
      t.equal(await notified(unrelated), 'unknown key')
      t.equal(fetched(), 2)
    })
  }

  t.test('the complete switch and back, in one process', async t => {
    const { query, notified, become, clock } = await stage(t, { state: 'not started' })
    const acceptsOnly = async (...by: Pair[]) => {
      t.match(await query(), { trade_state: 'NOTPAY' })
      for (const pair of by) t.equal(await notified(pair), 'genuine')
    }
    await acceptsOnly(platform)
    become({ state: 'under way' })
    await acceptsOnly(platform, ours)
    become({ state: 'stopped' })
    await acceptsOnly(platform, ours)
    become({ state: 'under way' })
    await acceptsOnly(platform, ours)
    become({ state: 'over' })
    await acceptsOnly(ours)
    clock.pass(13 * 3600_000)
    await notified(platform)
    await new Promise(resolve => setTimeout(resolve, 200))
    t.equal(await notified(platform), 'unknown key', 'N17 certificates no longer listed are refused after the next renewal')
  })

  t.test('WeChat unreachable: retried within seconds, not after a minute', async t => {
    const { query, notified, become, clock, fetched } = await stage(t, { state: 'under way', down: true })
    t.match(await query(), { trade_state: 'NOTPAY' }, 'the public key needs no list')
    t.equal(await notified(ours), 'genuine')
    await t.rejects(notified(platform), { code: 'WECHAT_NETWORK' }, 'so that WeChat repeats it')
    become({ state: 'under way' })
    t.equal(await notified(platform), 'unknown key')
    t.equal(fetched(), 1, 'not fetched again immediately')
    clock.pass(5001)
    t.equal(await notified(platform), 'genuine')
  })

  t.test('a forged certificate list is refused', async t => {
    const other = await stage(t, { state: 'under way', signer: unrelated, apiKey: 'another0another0another0another0' })
    await t.rejects(other.notified(unrelated), { code: 'WECHAT_REPLY' })
    const falsely = await stage(t, { state: 'under way', signer: { ...unrelated, serial: ours.serial } })
    await t.rejects(falsely.notified(unrelated), { code: 'WECHAT_REPLY', message: /signature is false/ })
    const unknown = await stage(t, { state: 'under way', signer: { ...unrelated, serial: 'PUB_KEY_ID_0other' } })
    await t.rejects(unknown.notified(unrelated), { code: 'WECHAT_REPLY', message: /unknown/ })
    const plain = await stage(t, { state: 'over' })
    plain.server.become((_seen, reply) => { reply.writeHead(404).end('{"code":"RESOURCE_NOT_EXISTS","message":"x"}') })
    t.equal(await plain.notified(platform), 'unknown key')
  })

  t.test('an unsigned "no certificates" answer does not remove known ones', async t => {
    const { notified, server, clock } = await stage(t, { state: 'under way' })
    t.equal(await notified(platform), 'genuine')
    server.become((_seen, reply) => { reply.writeHead(404).end('{"code":"RESOURCE_NOT_EXISTS","message":"x"}') })
    clock.pass(13 * 3600_000)
    await notified(platform)
    await new Promise(resolve => setTimeout(resolve, 200))
    t.equal(await notified(platform), 'genuine')
  })

  t.test('K2, T16 an unreadable cached list is ignored', async t => {
    const below = createMemoryStore()
    const key = `wechat:{${MCH_ID}}:v3:certificates`
    const stores = [createEncryptedStore(below, Buffer.alloc(32, 1)), createEncryptedStore(below, Buffer.alloc(32, 2))]
    for (const store of stores) {
      const { query, notified } = await stage(t, { state: 'not started' }, { withPublicKey: false, store })
      t.match(await query(), { trade_state: 'NOTPAY' })
      t.equal(await notified(platform), 'genuine')
    }
    for (const invalid of ['["garbage"]', '[]', '{}', 'null', '[null]', JSON.stringify([platform.cert, 'garbage'])]) {
      const store = createMemoryStore()
      await store.set(key, invalid, 12 * 3600_000)
      const { notified } = await stage(t, { state: 'not started' }, { withPublicKey: false, store })
      t.equal(await notified(platform), 'genuine', invalid)
    }
  })
})
