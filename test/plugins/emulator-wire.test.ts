/** The bytes on the wire: header names, signing keys, accepted XML. Sources: WeChat's dump of 2024 and others. */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { createPublicKey, verify, X509Certificate } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import { writeXml } from '../../src/pay/v2/write-xml.ts'
import { readXml } from '../../src/pay/v2/xml.ts'
import { signV2 } from '../../src/pay/v2/sign.ts'
import { authorization } from '../../src/pay/v3/sign.ts'
import { openResource } from '../helpers/open-resource.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { v3Caller } from '../helpers/v3-caller.ts'

/** The complete response to these bytes, until the server closes the connection. */
async function raw (port: number, request: string): Promise<{ head: string[], body: string }> {
  const socket = connect(port, '127.0.0.1')
  socket.end(request)
  let text = ''
  for await (const bytes of socket) text += String(bytes)
  const [head = '', ...body] = text.split('\r\n\r\n')
  return { head: head.split('\r\n'), body: body.join('\r\n\r\n') }
}

const names = (head: string[]) => head.slice(1).map(line => line.split(':')[0])

t.test('v3 answers have exactly WeChat\'s headers, in its spelling', async t => {
  const { emulator, signer, mchId, appId } = await v3Caller(t)
  const port = Number(new URL(emulator.origin).port)
  const ask = async (method: 'GET' | 'POST', url: string, payload = '') => await raw(port, `${method} ${url} HTTP/1.1\r\nHost: x\r\nAuthorization: ${await authorization(method, url, payload, signer)}\r\n${payload && `Content-Type: application/json\r\nContent-Length: ${payload.length}\r\n`}\r\n${payload}`)
  const common = ['Cache-Control', 'Connection', 'Content-Language', 'Content-Length', 'Date', 'Request-ID', 'Wechatpay-Nonce', 'Wechatpay-Serial', 'Wechatpay-Signature', 'Wechatpay-Signature-Type', 'Wechatpay-Timestamp', 'X-Content-Type-Options']
  const refused = await ask('GET', `/v3/pay/transactions/out-trade-no/none123?mchid=${mchId}`)
  t.match(refused.head[0], /^HTTP\/1.1 404/)
  t.same(names(refused.head).filter(name => name !== 'Keep-Alive').sort(), [...common, 'Content-Type'].sort(), 'errors are signed, too')
  t.match(refused.head.join('\n'), /^Content-Type: application\/json; charset=utf-8$/m)
  t.match(refused.head.join('\n'), /^Wechatpay-Nonce: [0-9a-f]{32}$/m)
  t.match(refused.head.join('\n'), /^Request-ID: [0-9A-F]{32}-268512771$/m)
  const order = JSON.stringify({ appid: appId, mchid: mchId, description: 'x', out_trade_no: 'WIRE123456', notify_url: 'http://127.0.0.1:1/n', amount: { total: 1 }, payer: { openid: OPENID } })
  t.match((await ask('POST', '/v3/pay/transactions/jsapi', order)).head.join('\n'), /^Request-ID: [0-9A-F]{32}-0$/m)
  const closed = await ask('POST', '/v3/pay/transactions/out-trade-no/WIRE123456/close', JSON.stringify({ mchid: mchId }))
  t.match(closed.head[0], /^HTTP\/1.1 204/)
  t.same(names(closed.head).filter(name => name !== 'Keep-Alive').sort(), common, 'an empty answer has content-length and a signature')
  t.match(closed.head.join('\n'), /^Content-Length: 0$/m)
})

t.test('connections are kept alive for eight seconds, like WeChat\'s', async t => {
  const emulator = await testEmulator(t)
  const reply = await fetch(`${emulator.origin}/cgi-bin/token`)
  t.equal(reply.headers.get('keep-alive'), 'timeout=8')
})

t.test('a larger answer is compressed if the client accepts it; the signature covers the uncompressed text', async t => {
  const { emulator, signer } = await v3Caller(t, { keyMode: 'certificate' })
  const url = '/v3/certificates'
  const ask = async (accept: string) => await emulator.app.inject({ url, headers: { authorization: await authorization('GET', url, '', signer), 'accept-encoding': accept } })
  const packed = await ask('gzip, deflate, br')
  t.equal(packed.headers['content-encoding'], 'deflate')
  t.match(JSON.parse(inflateSync(packed.rawPayload).toString()), { data: [{ serial_no: packed.headers['wechatpay-serial'] }] })
  t.equal((await ask('gzip')).headers['content-encoding'], undefined)
})

/** A merchant's server that records the received bytes. */
async function startReceiver (t: Test) {
  const received: string[] = []
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', bytes => {
      received.push(String(bytes))
      socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/n` }
}

t.test('notifications have the recorded headers, in WeChat\'s spelling', async t => {
  const { emulator, call, appId, mchId } = await v3Caller(t)
  const { received, url } = await startReceiver(t)
  await call('POST', '/v3/pay/transactions/jsapi', { appid: appId, mchid: mchId, description: 'x', out_trade_no: 'WIRE123456', notify_url: url, amount: { total: 1 }, payer: { openid: OPENID } })
  await emulator.pay('WIRE123456')
  const { request } = await emulator.waitForNotification()
  const head = received.join('').split('\r\n\r\n')[0]!.split('\r\n')
  t.same(names(head).map(name => name!).filter(name => !/^(host|connection|content-length|transfer-encoding)$/i.test(name)).sort(), ['Accept', 'Content-Type', 'Pragma', 'User-Agent', 'Wechatpay-Nonce', 'Wechatpay-Serial', 'Wechatpay-Signature', 'Wechatpay-Timestamp'])
  t.match(head.join('\n'), /^User-Agent: Mozilla\/4\.0$/m)
  t.match(request.headers, { 'wechatpay-nonce': /^[0-9A-Za-z]{32}$/ })
  t.same(Object.keys(JSON.parse(request.body)), ['id', 'create_time', 'resource_type', 'event_type', 'summary', 'resource'])
  t.ok(openResource(request.body, emulator.account.apiV3Key))
})

t.test('the signing key depends on the merchant\'s keys and the stage of the switch', async t => {
  const { emulator, call, appId, mchId } = await v3Caller(t, { keyMode: 'both' })
  const { url } = await startReceiver(t)
  const { publicKeyId: id, publicKey } = emulator.bothConfig.merchant.v3 as { publicKeyId: string, publicKey: string }
  const path = `/v3/pay/transactions/out-trade-no/none123?mchid=${mchId}`
  const serialOf = async (headers = {}) => {
    const { headers: replyHeaders, body } = await call('GET', path, undefined, headers)
    const cert = replyHeaders['wechatpay-serial'] === id ? publicKey : undefined
    if (cert) t.ok(verify('sha256', Buffer.from(`${replyHeaders['wechatpay-timestamp']}\n${replyHeaders['wechatpay-nonce']}\n${body}\n`), createPublicKey(cert), Buffer.from(String(replyHeaders['wechatpay-signature']), 'base64')))
    return replyHeaders['wechatpay-serial'] === id ? 'public key' : /^[0-9A-F]{32,40}$/.test(String(replyHeaders['wechatpay-serial'])) ? 'certificate' : replyHeaders['wechatpay-serial']
  }
  const namingKey = { 'wechatpay-serial': id }
  let count = 0
  const callbacks = async (number: number) => {
    const signed: string[] = []
    for (let at = 0; at < number; at++) {
      const no = `KEYS${String(++count).padStart(6, '0')}`
      await call('POST', '/v3/pay/transactions/jsapi', { appid: appId, mchid: mchId, description: 'x', out_trade_no: no, notify_url: url, amount: { total: 1 }, payer: { openid: OPENID } })
      await emulator.pay(no)
      const { request } = await emulator.waitForNotification(({ out_trade_no: of }) => of === no)
      signed.push(request.headers['wechatpay-serial'] === id ? 'public key' : 'certificate')
    }
    return signed.filter(by => by === 'public key').length
  }
  const list = async (headers = {}) => (await call('GET', '/v3/certificates', undefined, headers)).status

  await emulator.setKeyMode('both', { stage: 'not-begun' })
  t.same([await serialOf(), await serialOf(namingKey), await callbacks(2), await list()], ['certificate', 'certificate', 0, 200], 'not started: the header is ignored')
  await emulator.setKeyMode('both', { stage: 'under-way', callbacks: 0.2 })
  t.same([await serialOf(), await serialOf(namingKey), await callbacks(10), await list(namingKey)], ['certificate', 'public key', 2, 200], 'in progress: answers follow the header, callbacks the share')
  await emulator.setKeyMode('both', { stage: 'done' })
  t.same([await serialOf(), await serialOf(namingKey), await callbacks(1), await list()], ['public key', 'public key', 1, 404], 'done')
  await emulator.setKeyMode('certificate')
  t.same([await serialOf(), await serialOf(namingKey), await callbacks(1), await list()], ['certificate', 'certificate', 0, 200])
  await emulator.setKeyMode('public-key')
  t.same([await serialOf(), await serialOf({ 'wechatpay-serial': 'ABCDEF' }), await callbacks(1), await list()], ['public key', 'public key', 1, 404], 'a merchant without certificates: wechatpay-php and wechatpay-axios-plugin never name a key')
})

t.test('the certificate list is signed with the public key if the request names its id', async t => {
  const { emulator, call } = await v3Caller(t, { keyMode: 'both' })
  const { publicKeyId, apiV3Key } = emulator.bothConfig.merchant.v3 as { publicKeyId: string, apiV3Key: string }
  const { headers, json } = await call('GET', '/v3/certificates', undefined, { 'wechatpay-serial': publicKeyId })
  t.equal(headers['wechatpay-serial'], publicKeyId)
  const pem = openResource({ resource: json.data[0].encrypt_certificate }, apiV3Key)
  t.equal(new X509Certificate(pem).serialNumber, json.data[0].serial_no)
})

t.test('v2 reads XML like an ordinary parser', async t => {
  const emulator = await testEmulator(t)
  const { appId, mchId, apiKey } = emulator.account
  const post = async (payload: string | Buffer) => {
    const reply = await emulator.app.inject({ method: 'POST', url: '/pay/orderquery', payload })
    return { ...readXml(reply.rawPayload) }
  }
  const fields = { appid: appId, mch_id: mchId, nonce_str: 'n', out_trade_no: 'a & <b> 号', attach: ' blank ' }
  const signed: Record<string, string> = { ...fields, sign: signV2(fields, apiKey, 'MD5') }
  const escaped = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
  const bare = Object.entries(signed).map(([name, value]) => `<${name}>${escaped(value)}</${name}>`)
  const cdata = Object.entries(signed).map(([name, value]) => `<${name}><![CDATA[${value}]]></${name}>`)
  const shapes: Record<string, string> = {
    'our own writer\'s': writeXml(signed),
    'CDATA, one line': `<xml>${cdata.join('')}</xml>`,
    'no CDATA, one line': `<xml>${bare.join('')}</xml>`,
    'xml2js\' <root> (tvrcgo/weixin-pay)': `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<root>\n  ${bare.join('\n  ')}\n</root>`,
    'Tencent\'s Java, standalone="no"': `<?xml version="1.0" encoding="UTF-8" standalone="no"?><xml>\n${cdata.join('\n')}\n</xml>\n`,
    'single quotes': `<?xml version='1.0' encoding='utf-8'?><xml>${bare.join('')}</xml>`,
    'byte-order mark': `\ufeff<xml>${bare.join('')}</xml>`,
    'comments and blanks': `\r\n<!-- <sign>x</sign> --><xml >\r\n\t<!-- order -->${cdata.join('\r\n\t')}\r\n</xml >\r\n`,
    'character references': `<xml>${bare.join('').replace('号', '&#x53f7;').replace(' blank ', '&#32;blank&#32;')}</xml>`,
    'an empty element more': `<xml>${bare.join('')}<device_info/><detail></detail></xml>`
  }
  for (const [name, document] of Object.entries(shapes)) t.match(await post(document), { result_code: 'FAIL', err_code: 'ORDERNOTEXIST' }, name)

  // silenceper/wechat 277, supersheep/wechat-pay 2: a Go struct's name, read as empty.
  t.same(await post(`<UnifiedOrder>${bare.join('')}</UnifiedOrder>`), { return_code: 'FAIL', return_msg: 'mch_id参数格式错误' })
  t.match((await emulator.explain((await emulator.calls())[0]!.id)).mistakes, [{ id: 'xml-root' }])
  const malformed = { return_code: 'FAIL', retmsg: '输入请求参数xml格式错误', retcode: '1' }
  t.same(await post(`<!DOCTYPE xml [<!ENTITY e "x">]><xml>${bare.join('')}</xml>`), malformed)
  t.match((await emulator.explain((await emulator.calls())[0]!.id)).mistakes, [{ id: 'xml-doctype' }])
  for (const garbage of ['', 'hello', '{"a":1}', '<xml><a>1', '<xml><a>1</b></xml>', `<xml>${bare.join('')}</xml><xml/>`, `<xml>${bare.join('')}${bare.join('')}</xml>`, '<xml><mch_id><a>1</a></mch_id></xml>', `<xml>${Array.from({ length: 301 }, (_none, at) => `<a${at}/>`).join('')}</xml>`]) t.same(await post(garbage), malformed, garbage.slice(0, 20))
  t.match((await emulator.explain((await emulator.calls())[0]!.id)).mistakes, [{ id: 'xml-malformed' }])
})

t.test('unknown paths are answered in the host\'s format', async t => {
  const emulator = await testEmulator(t)
  const get = async (url: string, method: 'GET' | 'POST' = 'GET') => await emulator.app.inject({ method, url })
  t.match(await get('/v3/no/such/call'), { statusCode: 404, headers: { 'content-type': 'application/json; charset=utf-8' } })
  t.match((await get('/v3/no/such/call')).json(), { code: 'NOT_FOUND', message: /no GET \/v3\/no\/such\/call/ })
  // node-webot and others: an unknown path of api.weixin.qq.com.
  for (const path of ['/cgi-bin/no/such', '/sns/nothing', '/wxa/nothing']) {
    t.match(await get(path), { statusCode: 200 })
    t.match((await get(path)).json(), { errcode: 40066, errmsg: /^invalid url,? rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$/ })
  }
  t.match({ ...readXml((await get('/pay/nothing', 'POST')).rawPayload) }, { return_code: 'FAIL', return_msg: /no POST \/pay\/nothing/ })
  // An oversized body never reaches a call.
  const payload = Buffer.alloc(7 << 20, '<')
  const flood = async (url: string) => await emulator.app.inject({ method: 'POST', url, payload })
  t.match(await flood('/v3/pay/transactions/jsapi'), { statusCode: 413, headers: { 'content-type': 'application/json; charset=utf-8' } })
  t.match((await flood('/v3/pay/transactions/jsapi')).json(), { code: 'PARAM_ERROR' })
  t.match((await flood('/cgi-bin/stable_token')).json(), { errcode: -1 })
  t.match({ ...readXml((await flood('/pay/unifiedorder')).rawPayload) }, { return_code: 'FAIL' })
})
