/** A corpus of hostile documents and a fuzzer: each document is refused, or read exactly as WeChat sent it. */
import { sign } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { createV3Keys } from '../../plugins/emulator/keys/v3-keys.ts'
import { testNotifications } from '../../plugins/emulator/server/emulator.ts'
import { notify } from '../../plugins/notify.ts'
import type { Payment } from '../../plugins/notify.ts'
import { ACCOUNT } from '../helpers/account.ts'
import { payment, signed } from '../helpers/notification.ts'

const { appId } = ACCOUNT
const { mchId, v2 } = ACCOUNT.merchant
const apiV3Key = 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6'
const messages = testNotifications({ appId, mchId, apiKey: v2.apiKey, apiV3Key })
const keys = createV3Keys(mchId)
const wechatKey = keys.wechat.key
const corpus = new URL('../fixtures/hostile/', import.meta.url)
const files = readdirSync(corpus).filter(name => /\.(?:xml|json)$/.test(name))

async function host (t: Test) {
  // Nothing is deduplicated, so that each accepted document reaches the handler.
  const handled: Payment[] = []
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(notify, { appId, merchant: { mchId, v2, v3: messages.v3.merchant }, remember: 0.001, onPayment: payment => { handled.push(payment) }, onRefund: () => t.fail('a refund') })
  const send = (payload: Buffer | string, headers: Record<string, string> = { 'content-type': 'text/xml' }) => app.inject({ method: 'POST', url: '/wechat/notify', headers, payload })
  return { app, handled, lines, send }
}

/** Correctly signed: only the document's form is wrong. */
function headersFor (body: Buffer): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000))
  const text = Buffer.concat([Buffer.from(`${timestamp}\nn1\n`), body, Buffer.from('\n')])
  return { 'content-type': 'application/json', 'wechatpay-timestamp': timestamp, 'wechatpay-nonce': 'n1', 'wechatpay-serial': messages.v3.merchant.publicKeyId, 'wechatpay-signature': sign('sha256', text, wechatKey).toString('base64'), 'wechatpay-signature-type': 'WECHATPAY2-SHA256-RSA2048' }
}

t.test('every document of the corpus is refused, and the next genuine one accepted', async t => {
  const { handled, lines, send } = await host(t)
  t.ok(files.length >= 45, `${files.length} documents`)
  for (const name of files) {
    const body = readFileSync(new URL(name, corpus))
    const replies = [await send(body), await send(body, headersFor(body))]
    for (const { statusCode, body: answer } of replies) {
      t.ok(statusCode >= 400 && statusCode < 500, `${name}: ${statusCode}`)
      t.notMatch(answer, /SUCCESS/, name)
    }
  }
  t.equal(handled.length, 0)
  t.match(await send(signed(payment())), { statusCode: 200 })
  const genuine = messages.v3.payment({ outTradeNo: 'HC123456', amount: 100 })
  t.match(await send(genuine.payload, genuine.headers), { statusCode: 204 })
  t.equal(handled.length, 2)
  t.notMatch(lines.join(''), new RegExp(`${v2.apiKey}|${apiV3Key}`))
})

t.test('wrong, duplicate or inconsistent headers', async t => {
  const { send, handled, app } = await host(t)
  const { payload, headers } = messages.v3.payment({ outTradeNo: 'HC123456', amount: 100 })
  for (const name of Object.keys(headers).filter(name => name.startsWith('wechatpay-') && name !== 'wechatpay-signature-type')) {
    for (const value of ['', ' ', 'x', '0', 'null', '9'.repeat(500), '../../etc/passwd']) t.ok((await send(payload, { ...headers, [name]: value })).statusCode >= 400, `${name}: ${value.slice(0, 20)}`)
    t.ok((await app.inject({ method: 'POST', url: '/wechat/notify', payload, headers: { ...headers, [name]: [headers[name], headers[name]] as never } })).statusCode >= 400, `${name} twice`)
  }
  for (const encoding of ['gzip', 'br', 'deflate']) t.ok((await send(signed(payment()).replace('S1234567890', 'S1234567891'), { 'content-type': 'text/xml', 'content-encoding': encoding })).statusCode >= 400, encoding)
  t.equal(handled.length, 0)
})

t.test('mutated and spliced documents: refused, or all fields as WeChat sent them', async t => {
  const { send, handled } = await host(t)
  const genuine = [payment({ attach: 'a=1&total_fee=1&out_trade_no=X' }), payment({ out_trade_no: 'S2', total_fee: '200', transaction_id: '4200000000202611231234567899' })].map(fields => signed(fields))
  const originals = new Set(['S1234567890 100 4200000000202611231234567890', 'S2 200 4200000000202611231234567899'])
  const position = fc.double({ min: 0, max: 1, noNaN: true })
  const change = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at: position, bits: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant('delete' as const), at: position, length: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('splice' as const), at: position, from: position, length: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant('insert' as const), at: position, text: fc.constantFrom('<total_fee>1</total_fee>', '&', '=', ']]>', '<![CDATA[', '<!--', '</xml><xml>', '\u0000', '<sign>', '0') })
  )
  await fc.assert(fc.asyncProperty(fc.constantFrom(0, 1), fc.array(change, { minLength: 1, maxLength: 4 }), async (which, changes) => {
    let bytes = Buffer.from(genuine[which]!)
    const other = Buffer.from(genuine[1 - which]!)
    for (const change of changes) {
      const at = Math.floor(change.at * (bytes.length - 1))
      if (change.kind === 'flip') bytes[at] = bytes[at]! ^ change.bits
      if (change.kind === 'delete') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + change.length)])
      if (change.kind === 'insert') bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(change.text), bytes.subarray(at)])
      if (change.kind === 'splice') {
        const from = Math.floor(change.from * (other.length - 1))
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + change.length), bytes.subarray(at + change.length)])
      }
    }
    handled.length = 0
    await send(bytes)
    for (const { outTradeNo, amount, transactionId } of handled) t.ok(originals.has(`${outTradeNo} ${amount} ${transactionId}`), 'as WeChat sent it')
  }), { numRuns: 400 })

  const v3 = messages.v3.payment({ outTradeNo: 'HC123456', amount: 100 })
  await fc.assert(fc.asyncProperty(position, fc.integer({ min: 1, max: 255 }), async (where, bits) => {
    const bytes = Buffer.from(v3.payload)
    const at = Math.floor(where * (bytes.length - 1))
    bytes[at] = bytes[at]! ^ bits
    t.ok((await send(bytes, v3.headers)).statusCode >= 400)
    // Signed again with WeChat's key, so that only the encryption protects the content.
    handled.length = 0
    await send(bytes, headersFor(bytes))
    for (const { outTradeNo, amount } of handled) t.same([outTradeNo, amount], ['HC123456', 100])
  }), { numRuns: 200 })
})

t.test('a genuine signed text, split differently at each &', async t => {
  const { send, handled } = await host(t)
  const fields = payment({ attach: 'a=1&bank_type=X&out_trade_no=EVIL&total_fee=1&zzz=1' })
  const { sign: signature } = Object.fromEntries([...signed(fields).matchAll(/<(\w+)><!\[CDATA\[(.*?)\]\]>/g)].map(([, name, value]) => [name, value])) as Record<string, string>
  const text = Object.keys(fields).sort().map(name => `${name}=${fields[name]}`).join('&')
  const pieces = text.split('&')
  // All ways to join neighbouring parts: each part either starts a field or continues the previous one.
  let cuts = 0
  for (let mask = 0; mask < 1 << 6; mask++) {
    const recut: Record<string, string> = {}
    let last = ''
    for (const [at, piece] of pieces.entries()) {
      const [name = '', ...value] = piece.split('=')
      const inAttach = at >= 2 && at <= 7
      if (last && (inAttach ? mask & (1 << (at - 2)) : at === 0)) recut[last] += `&${piece}`
      else {
        last = name
        recut[name] = value.join('=')
      }
    }
    cuts++
    const document = `<xml>${Object.entries({ ...recut, sign: signature! }).map(([name, value]) => `<${name}><![CDATA[${value}]]></${name}>`).join('')}</xml>`
    await send(document)
  }
  for (const { outTradeNo, amount } of handled) t.same([outTradeNo, amount], ['S1234567890', 100])
  t.equal(cuts, 64)
})
