/** K3: lists of keys during a key change, and a remote private key. */
import { fork } from 'node:child_process'
import { createPublicKey, verify } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { checkMerchant } from '../../../src/pay/merchant.ts'
import type { Merchant, MerchantV3 } from '../../../src/pay/merchant.ts'
import { createPay } from '../../../src/pay/pay.ts'
import { readV2Notification } from '../../../src/pay/v2/notification.ts'
import { readNativeScan } from '../../../src/pay/v2/native.ts'
import { signV2, verifyV2 } from '../../../src/pay/v2/sign.ts'
import { createNotificationReader } from '../../../src/pay/notification-reader.ts'
import { createV3Client } from '../../../src/pay/v3/client.ts'
import type { RemoteKey } from '../../../src/pay/v3/sign.ts'
import { createMemoryStore } from '../../../src/store/memory.ts'
import { systemClock } from '../../../src/clock.ts'
import { testNotifications } from '../../../plugins/emulator/server/emulator.ts'
import { OPENID, testEmulator } from '../../helpers/account.ts'
import { appId, merchant as plain, payment, refundNotification, signed, xml } from '../../helpers/notification.ts'

const [OLD, NEW, FOREIGN] = ['0123456789abcdef0123456789abcdef', 'fedcba9876543210fedcba9876543210', '00112233445566778899aabbccddeeff'] as const
const PAY = 'https://api.mch.weixin.qq.com'

t.test('v2: both keys verify, the first signs', async t => {
  const v2 = checkMerchant({ ...plain, v2: { apiKey: [NEW, OLD] } }, PAY).v2!
  t.equal(v2.apiKey, NEW)
  for (const key of [OLD, NEW]) {
    t.match(readV2Notification(Buffer.from(signed(payment(), key)), appId, v2), { kind: 'payment' })
    t.match(readV2Notification(Buffer.from(refundNotification({}, { key })), appId, v2), { kind: 'refund', refund: { amount: 40 } })
    const scan = { appid: appId, mch_id: plain.mchId, openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o', is_subscribe: 'Y', nonce_str: 'n', product_id: 'P1' }
    t.match(readNativeScan(Buffer.from(xml({ ...scan, sign: signV2(scan, key, 'MD5') })), appId, v2), { productId: 'P1' })
  }
  t.throws(() => readV2Notification(Buffer.from(signed(payment(), FOREIGN)), appId, v2), { statusCode: 401 } as never)
  t.throws(() => readV2Notification(Buffer.from(refundNotification({}, { key: FOREIGN })), appId, v2), { code: 'WECHAT_NOTIFICATION' })
  t.notOk(verifyV2({ a: '1', sign: signV2({ a: '1' }, FOREIGN, 'MD5') }, [NEW, OLD], 'MD5'))
})

t.test('v2: orders are signed with the first key; answers signed with either are accepted', async t => {
  const emulator = await testEmulator(t)
  const { merchant, ...rest } = emulator.config
  const own = merchant.v2.apiKey as string
  const payWith = (apiKey: string[]) => createPay({ ...rest, merchant: { ...merchant, notifyUrl: 'https://shop.test/notify', v2: { ...merchant.v2, apiKey } } } as never)
  const order = { outTradeNo: 'K3-order', description: 'x', amount: 1, openid: OPENID }
  t.ok((await payWith([own, OLD]).jsapi(order)).paySign)
  await t.rejects(payWith([OLD, own]).jsapi({ ...order, outTradeNo: 'K3-other' }), { code: 'WECHAT_API' }, 'WeChat only knows the current key')
})

t.test('v3: both apiV3Keys and both public keys are accepted', async t => {
  const keys = [OLD, NEW]
  const messages = keys.map(apiV3Key => testNotifications({ appId, mchId: plain.mchId, apiV3Key }).v3)
  const [old, next] = messages as [typeof messages[0] & object, typeof messages[0] & object]
  const merchantV3 = (change: Partial<MerchantV3>): MerchantV3 => {
    const { publicKeyId: _id, publicKey: _key, ...v3 } = next.merchant
    return { ...v3, apiV3Key: [NEW, OLD], publicKeys: messages.map(({ merchant }) => ({ id: merchant.publicKeyId, key: merchant.publicKey })), ...change }
  }
  const readerFor = (v3: MerchantV3) => {
    const checked = checkMerchant({ ...plain, v2: undefined, v3 } as unknown as Merchant, PAY)
    return createNotificationReader(appId, checked, createV3Client({ http: undefined, bases: ['http://127.0.0.1:9'], merchant: checked.v3!, store: createMemoryStore(), clock: systemClock }).keys)
  }
  const read = readerFor(merchantV3({}))
  for (const message of [old, next].map(({ payment }) => payment({ outTradeNo: 'S1', amount: 100 }))) {
    t.match(await read(message.headers, Buffer.from(message.payload)), { kind: 'payment', payment: { amount: 100 } })
  }
  const { headers, payload } = old.payment({ outTradeNo: 'S1', amount: 100 })
  await t.rejects(readerFor(merchantV3({ apiV3Key: NEW }))(headers, Buffer.from(payload)), { message: /not encrypted with this merchant's key/ })
  await t.rejects(readerFor(merchantV3({ publicKeys: [{ id: next.merchant.publicKeyId, key: next.merchant.publicKey }] }))(headers, Buffer.from(payload)), { code: 'WECHAT_NOTIFICATION' })
})

t.test('invalid lists are refused by name', async t => {
  const { merchant } = testNotifications({ appId, mchId: plain.mchId, apiV3Key: OLD }).v3
  const { publicKeyId: id, publicKey: key } = merchant
  const check = (change: Partial<MerchantV3>, v2?: Merchant['v2']) => () => checkMerchant({ mchId: plain.mchId, ...v2 && { v2 }, v3: { ...merchant, ...change } }, PAY)
  for (const [attempt, option] of [
    [check({ apiV3Key: [] }), 'merchant.v3.apiV3Key'],
    [check({ apiV3Key: [OLD, 'short'] }), 'merchant.v3.apiV3Key.1'],
    [check({}, { apiKey: [] }), 'merchant.v2.apiKey'],
    [check({}, { apiKey: [OLD, ''] }), 'merchant.v2.apiKey.1'],
    [check({ publicKeys: [{ id, key }] }), 'merchant.v3.publicKeys']
  ] as const) t.throws(attempt, { option } as never)
  const { publicKeyId: _id, publicKey: _key, ...rest } = merchant
  t.throws(() => checkMerchant({ mchId: plain.mchId, v3: { ...rest, publicKeys: [] } }, PAY), { option: 'merchant.v3.publicKeys' } as never)
  t.throws(() => checkMerchant({ mchId: plain.mchId, v3: { ...rest, publicKeys: [{ id: 'x', key }] } }, PAY), { option: 'merchant.v3.publicKeys.0.id' } as never)
})

t.test('a private key in another process signs orders and pages', async t => {
  const emulator = await testEmulator(t, { keyMode: 'public-key' })
  const { merchant, ...rest } = emulator.v3Config
  // Simulates a KMS: the key goes there once, and only signatures come back.
  const folder = t.testdir({
    'kms.mjs': `import { sign } from 'node:crypto'
      let key
      process.on('message', ({ id, pem, data }) => {
        if (pem) key = pem
        else process.send({ id, signature: sign('sha256', Buffer.from(data, 'base64'), key).toString('base64') })
      })`
  })
  const kms = fork(`${folder}/kms.mjs`, { env: {}, execArgv: [] })
  t.teardown(() => kms.kill())
  kms.send({ pem: merchant.v3.privateKey })
  let next = 0
  let broken: 'throws' | 'rubbish' | undefined
  const remote: RemoteKey = {
    serialNo: merchant.v3.serialNo,
    async sign (data) {
      if (broken === 'throws') throw new Error('canary: the KMS token is hunter2')
      if (broken === 'rubbish') return new Uint8Array(3)
      const id = next++
      kms.send({ id, data: Buffer.from(data).toString('base64') })
      for (;;) {
        const [answer] = await once(kms, 'message') as [{ id: number, signature: string }]
        if (answer.id === id) return Buffer.from(answer.signature, 'base64')
      }
    }
  }
  const { serialNo: _serialNo, ...v3 } = merchant.v3
  const pay = createPay({ ...rest, merchant: { ...merchant, notifyUrl: 'https://shop.test/notify', v3: { ...v3, privateKey: remote } } } as never)
  const params = await pay.jsapi({ outTradeNo: 'KMS-order', description: 'x', amount: 1, openid: OPENID })
  const text = `${params.appId}\n${params.timeStamp}\n${params.nonceStr}\n${params.package}\n`
  t.ok(verify('sha256', Buffer.from(text), createPublicKey(merchant.v3.privateKey), Buffer.from(params.paySign, 'base64')))
  t.match(await pay.query({ outTradeNo: 'KMS-order' }), { state: 'NOTPAY' })
  for (const way of ['throws', 'rubbish'] as const) {
    broken = way
    await t.rejects(pay.query({ outTradeNo: 'KMS-order' }), { code: 'WECHAT_SIGNER', message: /^(?!.*hunter2).*nothing was sent/ }, way)
  }
  t.throws(() => pay.v3.decrypt('x'), { option: 'merchant.v3.privateKey' } as never)
})
