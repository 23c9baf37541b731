/** Refunds: mutual TLS, idempotency, and results. */
import t from 'tap'
import type { Test } from 'tap'
import { issueCertificate, newKey } from '../../../plugins/emulator/keys/x509.ts'
import type { CreateEmulatorOptions } from '../../../plugins/emulator/server/emulator.ts'
import { checkMerchant } from '../../../src/pay/merchant.ts'
import type { MerchantV2 } from '../../../src/pay/merchant.ts'
import { createPay } from '../../../src/pay/pay.ts'
import type { RefundRequest } from '../../../src/pay/refund.ts'
import { createEncryptedStore } from '../../../src/store/encrypted.ts'
import { createMemoryStore } from '../../../src/store/memory.ts'
import { createRedisStore } from '../../../src/store/redis.ts'
import { ERR_CODES } from '../../../src/pay/v2/error-codes.ts'
import { foldIndexed } from '../../../src/pay/v2/refund.ts'
import { V3_CODES } from '../../../src/pay/v3/error-codes.ts'
import { signV2 } from '../../../src/pay/v2/sign.ts'
import { writeXml } from '../../../src/pay/v2/write-xml.ts'
import { ACCOUNT, OPENID, testEmulator } from '../../helpers/account.ts'
import { encryptedKey, pkcs12, selfSigned, skip } from '../../helpers/certificates.ts'
import { fakeServer } from '../../helpers/fake-server.ts'
import { skip as withoutRedis, startRedis } from '../../helpers/redis.ts'
import { patience } from '../../helpers/patience.ts'

const ORDER = { outTradeNo: 'R1234567890', description: '咖啡', amount: 6800, openid: OPENID }
const REFUND: RefundRequest = { outTradeNo: ORDER.outTradeNo, outRefundNo: 'R1-1', amount: 6800, total: 6800, reason: '不想要了' }

async function stage (t: Test, options: CreateEmulatorOptions = {}, v2: Partial<MerchantV2> = {}) {
  const emulator = await testEmulator(t, { refundDelay: 3600, ...options })
  const { merchant } = emulator.config
  const payOptions = { ...emulator.config, merchant: { ...merchant, notifyUrl: 'http://127.0.0.1:1/notify', v2: { ...merchant.v2, ...v2 } } }
  const pay = createPay(payOptions)
  const paid = async (order = ORDER) => {
    await pay.jsapi(order)
    return await emulator.pay(order.outTradeNo)
  }
  return { emulator, pay, payOptions, paid }
}

t.test('a refund from the request to its result', async t => {
  const { emulator, pay, paid } = await stage(t)
  const { transaction_id: transactionId } = await paid()
  const taken = await pay.refund(REFUND)
  t.match(taken, { outRefundNo: 'R1-1', refundId: /^50\d+$/, outTradeNo: ORDER.outTradeNo, transactionId, state: 'PROCESSING', amount: 6800, total: 6800, payerAmount: 6800, mchId: emulator.account.mchId })
  t.match(emulator.refunds(), [{ reason: '不想要了', refund_account: 'REFUND_SOURCE_UNSETTLED_FUNDS', notify_url: 'http://127.0.0.1:1/notify' }])
  t.match(await pay.queryRefund({ outRefundNo: 'R1-1' }), { state: 'PROCESSING', succeededAt: undefined })
  t.match(await pay.query({ outTradeNo: ORDER.outTradeNo }), { state: 'REFUND', amount: 6800 })
  await emulator.settleRefund('R1-1')
  const done = await pay.queryRefund({ outRefundNo: 'R1-1' })
  t.match(done, { state: 'SUCCESS', receivedBy: '支付用户零钱', amount: 6800, refundId: taken.refundId })
  t.ok(Math.abs(done.succeededAt!.getTime() - Date.now()) < 5000, 'China time as a Date')
  await t.rejects(pay.queryRefund({ outRefundNo: 'none' }), { code: 'WECHAT_API', wechatCode: 'REFUNDNOTEXIST', statusCode: 404 })
})

t.test('partial refunds with different results in one list', async t => {
  const { emulator, pay, paid } = await stage(t)
  const { transaction_id: transactionId } = await paid()
  const parts: RefundRequest[] = Array.from({ length: 12 }, (_none, at) => ({ transactionId, outRefundNo: `P-${at}`, amount: 100, total: 6800, ...(at === 1 && { fromBalance: true }) }))
  for (const part of parts) await pay.refund(part)
  await emulator.settleRefund('P-0')
  await emulator.settleRefund('P-1', 'REFUNDCLOSE')
  await emulator.settleRefund('P-2', 'CHANGE')
  const first = await pay.v2.refundsOf({ transactionId })
  t.equal(first.total, 12)
  t.same(first.refunds.map(({ state }) => state), ['SUCCESS', 'CLOSED', 'ABNORMAL', ...Array(7).fill('PROCESSING')])
  const second = await pay.v2.refundsOf({ outTradeNo: ORDER.outTradeNo }, 10)
  t.same(second.refunds.map(({ outRefundNo }) => outRefundNo), ['P-10', 'P-11'])
  t.match(emulator.refunds()[1], { refund_account: 'REFUND_SOURCE_RECHARGE_FUNDS' })
  await t.rejects(pay.refund({ ...parts[0]!, outRefundNo: 'P-rest', amount: 6800 }), { code: 'WECHAT_API', wechatCode: 'INVALID_REQUEST', statusCode: 409, advice: /left of the order/ })
  await pay.refund({ ...parts[0]!, outRefundNo: 'P-rest', amount: 6800 - 1100 })
  await t.rejects(pay.refund({ ...parts[0]!, outRefundNo: 'P-more', amount: 1 }), { code: 'WECHAT_API', wechatCode: 'ERROR', message: /订单已全额退款/, advice: /fully refunded/ })
})

t.test('foldIndexed: nested lists', t => {
  t.same(foldIndexed({ refund_count: '2', refund_fee_0: '1', refund_fee_1: '2', coupon_refund_id_0_0: 'a', coupon_refund_id_0_1: 'b', total_fee: '3', odd_: 'x' }).map(item => ({ ...item })), [
    { refund_fee: '1', coupon_refund_id_0: 'a', coupon_refund_id_1: 'b' }, { refund_fee: '2' }
  ])
  t.end()
})

t.test('P14 the same number is the same refund, concurrently and after a lost answer; a different amount is refused before any call', async t => {
  const { emulator, pay, payOptions, paid } = await stage(t)
  await paid()
  const part = { ...REFUND, amount: 800 }
  const ids = new Set((await Promise.all(Array.from({ length: 10 }, () => pay.refund(part)))).map(({ refundId }) => refundId))
  t.equal(ids.size, 1)
  const impatient = createPay({ ...payOptions, http: { ...payOptions.http, retries: 0, timeout: patience(300) } })
  await emulator.fault({ path: '/secapi/pay/refund', kind: 'hang', when: 'after' })
  const lost = { ...part, outRefundNo: 'R1-2' }
  await t.rejects(impatient.refund(lost), { code: 'WECHAT_NETWORK', outcome: 'unknown', retryable: true })
  t.match(await impatient.refund(lost), { outRefundNo: 'R1-2', amount: 800 })
  await emulator.fault({ path: '/secapi/pay/refund', kind: 'SYSTEMERROR' })
  await pay.refund({ ...part, outRefundNo: 'R1-3' })
  t.equal(emulator.refunds().length, 3, 'three numbers, three refunds')

  const before = emulator.refunds().length
  const other = { code: 'WECHAT_INPUT', field: 'outRefundNo', statusCode: 409 }
  await t.rejects(pay.refund({ ...part, amount: 801 }), other)
  await t.rejects(pay.refund({ ...part, outTradeNo: 'another' }), other)
  t.ok(await pay.refund({ ...part, outTradeNo: undefined, transactionId: emulator.order(ORDER.outTradeNo)!.transaction_id } as never), 'the same order by its other number')
  const both = await Promise.allSettled([pay.refund({ ...part, outRefundNo: 'R1-4' }), pay.refund({ ...part, outRefundNo: 'R1-4', amount: 900 })])
  t.same(both.map(({ status }) => status), ['fulfilled', 'rejected'], 'concurrently, too')
  t.equal(emulator.refunds().length, before + 1)

  const store = createMemoryStore()
  store.acquire = async () => { throw new Error('away') }
  const alone = createPay({ ...payOptions, store })
  await t.rejects(alone.refund({ ...part, amount: 801 }), { code: 'WECHAT_API', wechatCode: 'REFUND_FEE_MISMATCH' }, 'without the store, WeChat compares')
  store.acquire = async () => ({ state: 'locked' })
  t.ok(await alone.refund(part))
})

t.test('K2 changing the encryptionKey between a lost answer and its repetition: refunded once', { skip: withoutRedis }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const client = redis.client()
  const bare = createRedisStore(client)
  const ways = { plain: bare, 'a key': createEncryptedStore(bare, Buffer.alloc(32, 1)), 'another key': createEncryptedStore(bare, Buffer.alloc(32, 2)) }
  const { emulator, payOptions, paid } = await stage(t)
  await paid()
  const { mchId } = payOptions.merchant
  let number = 0
  const refundedTotal = () => emulator.refunds().reduce((sum, { refund_fee: fee }) => sum + Number(fee), 0)

  for (const [from, before] of Object.entries(ways)) {
    for (const [to, after] of Object.entries(ways)) {
      const request: RefundRequest = { ...REFUND, outRefundNo: `K2-${++number}`, amount: 300 }
      const refundedBefore = refundedTotal()
      await emulator.fault({ path: '/secapi/pay/refund', kind: 'hang', when: 'after' })
      const impatient = createPay({ ...payOptions, store: before, http: { ...payOptions.http, retries: 0, timeout: patience(300) } })
      await t.rejects(impatient.refund(request), { code: 'WECHAT_NETWORK', outcome: 'unknown' })
      const pay = createPay({ ...payOptions, store: after })
      for (let times = 0; times < 2; times++) t.match(await pay.refund(request), { outRefundNo: request.outRefundNo, amount: 300 }, `from ${from} to ${to}`)
      t.equal(refundedTotal() - refundedBefore, 300)
      const refused = await pay.refund({ ...request, amount: 301 }).catch((error: unknown) => error) as Error
      t.match(refused, { code: 'WECHAT_INPUT', field: 'outRefundNo', statusCode: 409, message: /repeat that one unchanged, or query it/ })
      t.notMatch(refused.message, /(?:or|and) (?:take|use) a new/)
    }
  }

  for (const [what, value] of [['sealed with a key that is gone', `v1.${'A'.repeat(80)}`], ['rubbish', 'garbage'], ['empty', '']] as const) {
    for (const [to, store] of Object.entries(ways)) {
      const request = { ...REFUND, outRefundNo: `K2-${++number}`, amount: 1 }
      const key = `wechat:{${mchId}}:refund::${request.outRefundNo}`
      await client.set(key, value, 'PX', 60_000)
      t.ok(await createPay({ ...payOptions, store }).refund(request), `${what}, read ${to}`)
      t.equal(await client.get(key), `o:${ORDER.outTradeNo}:1:6800`)
    }
  }
})

t.test('K2 no advice suggests a second refund while the first may have succeeded', t => {
  const ofRefunds = [ERR_CODES.REFUND_FEE_MISMATCH, ERR_CODES.INVALID_REQUEST, ERR_CODES.OUT_TRADE_NO_USED, V3_CODES.OUT_TRADE_NO_USED, V3_CODES.ALREADY_EXISTS]
  for (const { advice, adviceZh } of ofRefunds as Array<{ advice: string, adviceZh: string }>) {
    t.match(advice, /query it/)
    t.match(adviceZh, /先查/)
    t.notMatch(advice, /\bor (?:use |take )?a new/)
    t.notMatch(adviceZh, /或为新/)
  }
  t.end()
})

t.test('WeChat\'s errors', async t => {
  const { emulator, pay, paid } = await stage(t, { balance: 0 })
  const refused = async (change: Partial<RefundRequest>, expected: object) => await t.rejects(pay.refund({ ...REFUND, outRefundNo: `no-${Math.random()}`.replace('.', ''), ...change } as RefundRequest), { code: 'WECHAT_API', ...expected })
  await refused({ outTradeNo: 'none' } as never, { wechatCode: 'ORDERNOTEXIST', statusCode: 404 })
  await pay.jsapi(ORDER)
  await refused({}, { wechatCode: 'ORDERNOTEXIST' })
  await emulator.pay(ORDER.outTradeNo)
  await refused({ total: 7000 }, { wechatCode: 'REFUND_FEE_MISMATCH' })
  await paid({ ...ORDER, outTradeNo: 'R2' })
  await pay.refund({ ...REFUND, outTradeNo: 'R2', outRefundNo: 'R2-1' })
  await pay.refund({ ...REFUND, outRefundNo: 'R1-1' })
  await paid({ ...ORDER, outTradeNo: 'R3', amount: 100 })
  for (let at = 0; at < 50; at++) await pay.refund({ outTradeNo: 'R3', outRefundNo: `R3-${at}`, amount: 1, total: 100 })
  await refused({ outTradeNo: 'R3', amount: 1, total: 100 } as never, { wechatCode: 'INVALID_REQUEST', message: /50次/ })
  await paid({ ...ORDER, outTradeNo: 'R4', amount: 100 })
  emulator.advance(366 * 86_400_000)
  await refused({ outTradeNo: 'R4', amount: 1, total: 100 } as never, { wechatCode: 'TRADE_OVERDUE' })
  const lowBalance = await stage(t, { balance: -6800 })
  await lowBalance.paid()
  await t.rejects(lowBalance.pay.refund(REFUND), { code: 'WECHAT_API', wechatCode: 'NOTENOUGH', advice: /top it up/ })
})

t.test('invalid input is refused before any call', async t => {
  const server = await fakeServer(() => t.fail('a call went out'))
  t.teardown(server.close)
  const pay = createPay({ ...ACCOUNT, endpoints: server.endpoints })
  const wrong: Array<[object, string]> = [
    [{ outRefundNo: 'a/b' }, 'outRefundNo'], [{ outRefundNo: undefined }, 'outRefundNo'], [{ amount: 0 }, 'amount'], [{ amount: 0.29 * 100 }, 'amount'], [{ total: '6800' }, 'total'],
    [{ amount: 6801 }, 'amount'], [{ outTradeNo: 'a?b' }, 'outTradeNo'], [{ transactionId: 42 }, 'transactionId'], [{ reason: '\u0000' }, 'reason'], [{ reason: 'x'.repeat(81) }, 'reason'], [{ notifyUrl: 'https://x/?a=1' }, 'notifyUrl']
  ]
  for (const [change, field] of wrong) await t.rejects(pay.refund({ ...REFUND, ...change } as RefundRequest), { code: 'WECHAT_INPUT', field }, JSON.stringify(change))
  await t.rejects(pay.refund(null as never), { code: 'WECHAT_INPUT', field: 'refund' })
  await t.rejects(pay.queryRefund({ outRefundNo: '../x' }), { code: 'WECHAT_INPUT', field: 'outRefundNo' })
  await t.rejects(pay.refund(REFUND), { code: 'WECHAT_CONFIG', option: 'merchant.v2.pfx' }, 'no certificate')
})

t.test('an answer about another refund is refused', async t => {
  const { emulator, pay, payOptions, paid } = await stage(t)
  await paid()
  await pay.refund(REFUND)
  const { apiKey, appId, mchId } = emulator.account
  const fields = { return_code: 'SUCCESS', result_code: 'SUCCESS', appid: appId, mch_id: mchId, out_refund_no: 'R1-1', refund_id: '50', out_trade_no: ORDER.outTradeNo, transaction_id: '42', refund_fee: '6800', total_fee: '6800' }
  const server = await fakeServer((_seen, reply) => { reply.end() })
  t.teardown(server.close)
  const other = createPay({ ...payOptions, endpoints: server.endpoints })
  for (const change of [{ out_refund_no: 'other' }, { refund_fee: '1' }, { refund_fee: '6800&a=1' }, { transaction_id: '' }]) {
    const all = { ...fields, ...change }
    server.become((_seen, reply) => { reply.end(writeXml({ ...all, sign: signV2(all, apiKey, 'MD5') })) })
    await t.rejects(other.refund(REFUND), { code: 'WECHAT_REPLY', outcome: 'unknown' }, JSON.stringify(change))
  }
  const listed = { ...fields, refund_count: '2', out_refund_no_0: 'R1-1', refund_status_0: 'SUCCESS', refund_id_0: '50', refund_fee_0: '1' }
  server.become((_seen, reply) => { reply.end(writeXml({ ...listed, sign: signV2(listed, apiKey, 'MD5') })) })
  await t.rejects(other.v2.refundsOf({ outTradeNo: ORDER.outTradeNo }), { code: 'WECHAT_REPLY' }, 'one of two')
})

t.test('P13 the certificate: either format, this merchant\'s, not expired, not shared between connections', { skip }, async t => {
  const emulator = await testEmulator(t)
  const { merchant: { mchId, v2: { apiKey, cert, key } } } = emulator.config
  const refundWith = async (v2: Partial<MerchantV2>) => {
    const pay = createPay({ ...emulator.config, merchant: { mchId, notifyUrl: 'http://127.0.0.1:1/n', v2: { apiKey, ...v2 } }, http: { ...emulator.config.http, retries: 0 } })
    const order = { ...ORDER, outTradeNo: `C${Date.now()}${Math.random()}`.replace('.', '').slice(0, 32) }
    await pay.jsapi(order)
    await emulator.pay(order.outTradeNo)
    return await pay.refund({ ...REFUND, outTradeNo: order.outTradeNo, outRefundNo: `${order.outTradeNo}-1` })
  }
  t.match(await refundWith({ cert, key }), { state: 'PROCESSING' })
  t.match(await refundWith({ pfx: pkcs12({ cert, key }, mchId) }), { state: 'PROCESSING' }, 'PKCS#12 with the mchId as passphrase')
  t.match(await refundWith({ pfx: new Uint8Array(pkcs12({ cert, key }, 'another')), passphrase: 'another' }), { state: 'PROCESSING' })
  t.match(await refundWith({ cert: Buffer.from(cert), key: Buffer.from(key) }), { state: 'PROCESSING' })

  const selfIssued = selfSigned(mchId)
  await t.rejects(refundWith(selfIssued), { code: 'WECHAT_REPLY', message: /HTTP 400/ }, 'not issued by WeChat')
  t.match(await refundWith({ cert: selfIssued.cert, key: encryptedKey(selfIssued.key, 'secret'), passphrase: 'secret' }).catch((error: unknown) => error), { code: 'WECHAT_REPLY' }, 'an encrypted key works')

  const owner = newKey()
  const expired = issueCertificate({ subject: { commonName: mchId }, publicKey: owner, issuer: { name: { commonName: 'x' }, key: owner }, notBefore: new Date('2020-01-01'), notAfter: new Date('2025-01-01') })
  await t.rejects(refundWith({ cert: expired, key: owner.export({ type: 'pkcs8', format: 'pem' }) as string }), { code: 'WECHAT_CONFIG', option: 'merchant.v2.cert', message: /expired on Jan {2}1 00:00:00 2025/ })

  const wrong: Array<[Partial<MerchantV2>, string, RegExp]> = [
    [{ pfx: pkcs12(selfIssued, 'another') }, 'merchant.v2.pfx', /pass phrase \(default: the mchId\)/],
    [{ pfx: pkcs12(selfIssued, mchId, true) }, 'merchant.v2.pfx', /old format.*openssl pkcs12 -legacy/],
    [{ pfx: Buffer.from('hello') }, 'merchant.v2.pfx', /not a PKCS#12/],
    [{ pfx: 'apiclient_cert.p12' as never }, 'merchant.v2.pfx', /bytes/],
    [{ pfx: Buffer.from('x'), cert }, 'merchant.v2.pfx', /cannot be combined/],
    [{ cert }, 'merchant.v2.key', /missing/],
    [{ key }, 'merchant.v2.cert', /missing/],
    [{ cert: selfIssued.cert, key }, 'merchant.v2.key', /does not belong/],
    [{ cert: 'hello', key }, 'merchant.v2.cert', /not PEM/],
    [{ cert, key: 'hello' }, 'merchant.v2.key', /not PEM/],
    [{ cert: selfIssued.cert, key: encryptedKey(selfIssued.key, 'secret') }, 'merchant.v2.key', /encrypted/]
  ]
  for (const [v2, option, message] of wrong) {
    t.throws(() => checkMerchant({ mchId, v2: { apiKey, ...v2 } }, emulator.origin), { code: 'WECHAT_CONFIG', option, message }, String(message))
  }

  const two = await testEmulator(t)
  const mixed = createPay({ ...two.config, merchant: { ...two.config.merchant, notifyUrl: 'http://127.0.0.1:1/n', v2: { ...two.config.merchant.v2, cert, key } } })
  await t.rejects(mixed.refund(REFUND), { code: 'WECHAT_REPLY', message: /HTTP 400/ }, 'another merchant\'s certificate')
})

t.test('P12 TLS: servers are always verified, and no option disables that', async t => {
  const { payOptions, paid } = await stage(t)
  await paid()
  const { http: _ca, ...distrusting } = payOptions
  const error = await createPay(distrusting).refund(REFUND).catch((error: unknown) => error)
  t.match(error, { code: 'WECHAT_NETWORK', outcome: 'not_sent', retryable: false })
})
