/** Leaving a bill's loop early closes the connection. */
import { createHash, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { constants, createGzip } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import { createV3Keys } from '../../../plugins/emulator/keys/v3-keys.ts'
import type { TradeBillRow } from '../../../src/pay/bill.ts'
import { compareBill } from '../../../src/pay/compare-bill.ts'
import { createPay } from '../../../src/pay/pay.ts'
import { ACCOUNT } from '../../helpers/account.ts'
import { fakeServer } from '../../helpers/fake-server.ts'
import { until } from '../../helpers/tls-server.ts'

const NAMES = '交易时间,微信订单号,商户订单号,交易状态,总金额,企业红包金额,商品名称,商户数据包,手续费,费率'
const row = (amount: string) => `\`2026-11-20 23:59:59,\`42,\`A,\`SUCCESS,\`${amount},\`0.00,\`咖啡,\`,\`0.00,\`0.60%`
const DATE = '2026-11-20'

const keys = createV3Keys(ACCOUNT.merchant.mchId)
const pem = (key: KeyObject) => key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }) as string
const v3 = { serialNo: keys.merchant.serial, privateKey: pem(keys.merchant.key), apiV3Key: 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6', publicKeyId: keys.wechat.id, publicKey: pem(keys.wechat.publicKey) }

/** WeChat with an endless bill: after `rows` it sends empty lines, or nothing. */
async function endless (t: Test, version: 'v2' | 'v3', rows: string[], { silent = false, gzip = true } = {}) {
  const sent = { bills: 0, open: 0 }
  const server = await fakeServer(({ url }, reply) => {
    if (url.startsWith('/v3/bill/tradebill')) {
      const body = JSON.stringify({ download_url: `${server.origin}/file`, hash_type: 'SHA1', hash_value: createHash('sha1').digest('hex') })
      const timestamp = String(Math.floor(Date.now() / 1000))
      reply.writeHead(200, {
        'content-type': 'application/json',
        'wechatpay-timestamp': timestamp,
        'wechatpay-nonce': 'n1',
        'wechatpay-serial': keys.wechat.id,
        'wechatpay-signature': sign('sha256', Buffer.from(`${timestamp}\nn1\n${body}\n`), keys.wechat.key).toString('base64')
      }).end(body)
      return
    }
    sent.bills++
    sent.open++
    const text = gzip ? createGzip({ flush: constants.Z_SYNC_FLUSH }) : undefined
    text?.pipe(reply)
    const to = text ?? reply
    to.write(`${[NAMES, ...rows].join('\r\n')}\r\n`)
    const more = silent ? undefined : setInterval(() => to.write('\r\n'.repeat(1000)), 1)
    reply.on('close', () => {
      clearInterval(more)
      sent.open--
    })
  })
  t.teardown(server.close)
  const pay = createPay({ ...ACCOUNT, merchant: { ...ACCOUNT.merchant, v3 }, version, endpoints: server.endpoints, http: { retries: 0, timeout: 60_000 } })
  t.teardown(() => pay.disconnect())
  return { pay, sent, closed: () => until(() => sent.bills === 1 && sent.open === 0) }
}

for (const version of ['v2', 'v3'] as const) {
  for (const silent of [false, true]) {
    t.test(`${version}: break, while the server ${silent ? 'is silent' : 'keeps sending'}`, async t => {
      const { pay, sent, closed } = await endless(t, version, [row('0.29'), row('0.30')], { silent })
      for await (const { amount } of pay.tradeBill({ date: DATE })) {
        t.equal(amount, 29)
        t.equal(sent.open, 1)
        if (amount === 29) break
      }
      await closed()
    })
  }

  t.test(`${version}: a throw in the loop`, async t => {
    const { pay, closed } = await endless(t, version, [row('0.29')])
    await t.rejects(async () => { for await (const { outTradeNo } of pay.tradeBill({ date: DATE })) if (outTradeNo === 'A') throw new Error('enough') }, { message: 'enough' })
    await closed()
  })

  t.test(`${version}: an invalid row`, async t => {
    const { pay, closed } = await endless(t, version, [row('0.29'), row('0.291')])
    const rows: TradeBillRow[] = []
    await t.rejects(async () => { for await (const row of pay.tradeBill({ date: DATE })) rows.push(row) }, { code: 'WECHAT_REPLY', message: /whole fen/ })
    t.equal(rows.length, 1)
    await closed()
  })

  t.test(`${version}: an aborted comparison, and failing records`, async t => {
    const left = await endless(t, version, [row('0.29'), row('0.29')])
    for await (const { kind } of compareBill(left.pay.tradeBill({ date: DATE }), [{ outTradeNo: 'B', amount: 1, at: new Date(0) }, { outTradeNo: 'A', amount: 1, at: new Date(1) }])) {
      t.equal(kind, 'other amount')
      if (kind === 'other amount') break
    }
    await left.closed()
    const failed = await endless(t, version, [row('0.29')])
    const books = async function * () { yield { outTradeNo: 'B', amount: 1, at: new Date(0) }; throw new Error('the database is away') }
    await t.rejects(async () => { for await (const { kind } of compareBill(failed.pay.tradeBill({ date: DATE }), books())) t.fail(kind) }, { message: /database/ })
    await failed.closed()
  })
}

t.test('a raw download', async t => {
  const { pay, closed } = await endless(t, 'v2', [row('0.29')], { gzip: false })
  let text = ''
  for await (const chunk of await pay.v2.download('/pay/downloadbill', { bill_date: '20261120', bill_type: 'ALL' })) {
    text += chunk.toString()
    if (text.includes('咖啡')) break
  }
  t.ok(text.startsWith(NAMES), 'including the beginning that was inspected')
  await closed()
})
