/** Explanations of refused signatures, tested with calls that contain the mistake. */
import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto'
import t from 'tap'
import type { Emulator } from '../../plugins/emulator/server/emulator.ts'
import { signV2 } from '../../src/pay/v2/sign.ts'
import { writeXml } from '../../src/pay/v2/write-xml.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'

type Tester = Awaited<ReturnType<typeof testEmulator>>

const md5 = (text: string) => createHash('md5').update(text).digest('hex').toUpperCase()
const hmac = (text: string, key: string) => createHmac('sha256', key).update(text).digest('hex').toUpperCase()
const idsOf = async (emulator: Pick<Emulator, 'explain'>, id?: string) => (await emulator.explain(id)).mistakes.map(({ id }) => id)

const orderOf = (emulator: Tester, change: Record<string, string> = {}) => ({
  appid: emulator.account.appId, mch_id: emulator.account.mchId, nonce_str: 'n1', body: 'Tea & milk', out_trade_no: 'E-1', total_fee: '1', spbill_create_ip: '127.0.0.1', notify_url: 'https://shop.test/notify', trade_type: 'JSAPI', openid: OPENID, ...change
})
const joined = (pairs: Array<[string, string]>) => pairs.map(pair => pair.join('=')).join('&')
const byName = (fields: Record<string, string>) => Object.entries(fields).sort(([one], [other]) => one < other ? -1 : 1)
const send = (emulator: Tester, fields: Record<string, string>, xml?: string) => emulator.app.inject({ method: 'POST', url: '/pay/unifiedorder', payload: xml ?? writeXml(fields) })

t.test('v2: each common mistake is recognized', async t => {
  const emulator = await testEmulator(t)
  const { apiKey, apiV3Key, appSecret } = emulator.account
  const fields = orderOf(emulator)
  const pairs = byName(fields)
  const text = joined(pairs)
  const cases: Array<[id: string | string[], sign: string, change?: Record<string, string>]> = [
    ['lower-case', md5(`${text}&key=${apiKey}`).toLowerCase()],
    ['key-missing', md5(text)],
    ['api-v3-key', md5(`${text}&key=${apiV3Key}`)],
    ['app-secret', md5(`${text}&key=${appSecret}`)],
    ['key-upper-case', md5(`${text}&key=${apiKey.toUpperCase()}`)],
    ['other-algorithm', hmac(`${text}&key=${apiKey}`, apiKey)],
    ['unsorted', md5(`${joined(Object.entries(fields))}&key=${apiKey}`)],
    ['url-encoded', md5(`${joined(pairs.map(([name, value]) => [name, encodeURIComponent(value)]))}&key=${apiKey}`)],
    ['xml-escaped', md5(`${text.replace('Tea & milk', 'Tea &amp; milk')}&key=${apiKey}`)],
    ['left-out:openid', md5(`${joined(pairs.filter(([name]) => name !== 'openid'))}&key=${apiKey}`)],
    [['lower-case', 'url-encoded'], md5(`${joined(pairs.map(([name, value]) => [name, encodeURIComponent(value)]))}&key=${apiKey}`).toLowerCase()],
    ['unknown', md5('something else')]
  ]
  for (const [ids, sign] of cases) {
    const reply = await send(emulator, { ...fields, sign })
    t.match(reply.body, /签名错误，请检查后再试/, 'the reply is still WeChat\'s')
    t.notMatch(reply.body, /expected|mistake/)
    t.same(await idsOf(emulator), [ids].flat(), `${ids}`)
  }
  const { implied } = await emulator.explain()
  t.equal(implied, undefined, 'no implied text if no mistake matches')

  const withHmac = { ...fields, sign_type: 'HMAC-SHA256' }
  const hmacText = `${joined(byName(withHmac))}&key=${apiKey}`
  await send(emulator, { ...withHmac, sign: md5(hmacText) })
  t.same(await idsOf(emulator), ['other-algorithm'])
  await send(emulator, { ...withHmac, sign: hmac(hmacText, '') })
  t.same(await idsOf(emulator), ['hmac-key'])
  await send(emulator, { ...withHmac, sign: hmac(`${text}&key=${apiKey}`, apiKey) })
  t.same(await idsOf(emulator), ['left-out:sign_type'])

  await send(emulator, { ...withHmac, sign: hmac(`${joined(byName({ ...withHmac, sign_type: 'MD5' }))}&key=${apiKey}`, apiKey) })
  t.same(await idsOf(emulator), ['sign-type-changed'])

  // Empty values are sent, but must not be signed.
  const empty = { ...fields, attach: '' }
  const emptySign = md5(`${joined(byName(empty))}&key=${apiKey}`)
  await send(emulator, empty, `<xml>${Object.entries({ ...empty, sign: emptySign }).map(([name, value]) => `<${name}><![CDATA[${value}]]></${name}>`).join('')}</xml>`)
  t.same(await idsOf(emulator), ['empty-included'])

  const blank = orderOf(emulator, { body: ' tea ' })
  await send(emulator, { ...blank, sign: signV2({ ...blank, body: 'tea' }, apiKey, 'MD5') })
  t.same(await idsOf(emulator), ['trimmed'])

  const mixed = { ...fields, Zeta: '1' }
  const ignoringCase = Object.entries(mixed).sort(([one], [other]) => one.toLowerCase() < other.toLowerCase() ? -1 : 1)
  await send(emulator, { ...mixed, sign: md5(`${joined(ignoringCase)}&key=${apiKey}`) })
  t.same(await idsOf(emulator), ['sorted-ignoring-case'])
})

t.test('v2: expected and implied text with the first difference, without keys', async t => {
  const emulator = await testEmulator(t)
  const fields = orderOf(emulator)
  await send(emulator, { ...fields, sign: md5(`${joined(byName(fields).map(([name, value]) => [name, encodeURIComponent(value)]))}&key=${emulator.account.apiKey}`) })
  const explanation = await emulator.explain()
  t.match(explanation, {
    about: 'v2',
    algorithm: 'MD5, upper-case hex',
    expected: /^appid=wx\w+&body=Tea & milk&.*&key=<API key>$/,
    implied: /&body=Tea%20%26%20milk&/,
    difference: { expected: /body=Tea & milk/, implied: /body=Tea%20/ },
    mistakes: [{ id: 'url-encoded', en: /URL-encoded/, zh: /URL 编码/ }]
  })
  t.equal(explanation.difference?.at, explanation.expected.indexOf('Tea & milk') + 3)
  const [call] = await emulator.calls()
  t.match(call, { verdict: 'refused', url: '/pay/unifiedorder', reason: '签名错误，请检查后再试', out_trade_no: 'E-1', status: 200 })
  t.notMatch(JSON.stringify([call, explanation]), new RegExp(emulator.account.apiKey))
  t.same(await emulator.explain(call?.id), explanation)
  await t.rejects(emulator.explain('c999'), { message: 'no such call' })
  await send(emulator, { ...fields, sign: signV2(fields, emulator.account.apiKey, 'MD5') })
  const [right] = await emulator.calls()
  t.match(right, { verdict: 'accepted', reason: '' })
  await t.rejects(emulator.explain(right?.id), { message: /not refused for its signature/ })
})

t.test('v3: each common mistake is recognized', async t => {
  const emulator = await testEmulator(t)
  const { merchant: { mchId, v3 } } = emulator.bothConfig
  const nonce = 'abcdef'
  const timestamp = String(Math.floor(Date.now() / 1000))
  const body = JSON.stringify({ description: '茶/tea', out_trade_no: 'E-00001' })
  const path = '/v3/pay/transactions/jsapi'
  const rsa = (text: string, key = v3.privateKey, hash = 'sha256') => sign(hash, Buffer.from(text), key).toString('base64')
  const call = (signature: string, { method = 'POST' as 'GET' | 'POST', url = path } = {}) => emulator.app.inject({
    method, url, headers: { host: 'api.mch.weixin.qq.com', authorization: `WECHATPAY2-SHA256-RSA2048 mchid="${mchId}",nonce_str="${nonce}",signature="${signature}",timestamp="${timestamp}",serial_no="${v3.serialNo}"` }, ...(method === 'POST' && { payload: body })
  })
  const tail = `${timestamp}\n${nonce}\n`
  const posted = `POST\n${path}\n${tail}`
  const cases: Array<[string, string]> = [
    ['no-last-newline', rsa(`${posted}${body}`)],
    ['crlf-lines', rsa(`${posted}${body}\n`.replaceAll('\n', '\r\n'))],
    ['lower-case-method', rsa(`post\n${path}\n${tail}${body}\n`)],
    ['whole-url', rsa(`POST\nhttps://api.mch.weixin.qq.com${path}\n${tail}${body}\n`)],
    ['body-left-out', rsa(`${posted}\n`)],
    ['body-reserialized', rsa(`${posted}{"description": "\\u8336/tea", "out_trade_no": "E-00001"}\n`)],
    ['body-reserialized', rsa(`${posted}{"description":"茶\\/tea","out_trade_no":"E-00001"}\n`)],
    ['signature-hex', Buffer.from(rsa(`${posted}${body}\n`), 'base64').toString('hex')],
    ['other-hash', rsa(`${posted}${body}\n`, v3.privateKey, 'sha1')],
    ['other-text', rsa('another text')],
    ['wrong-key', rsa(`${posted}${body}\n`, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)],
    ['wrong-key', 'bm90IGEgc2lnbmF0dXJl']
  ]
  for (const [id, signature] of cases) {
    t.match((await call(signature)).json(), { code: 'SIGN_ERROR', message: '错误的签名，验签失败' })
    t.same(await idsOf(emulator), [id], id)
  }
  const url = `/v3/pay/transactions/out-trade-no/A%7C00001?mchid=${mchId}`
  for (const [id, text] of [
    ['query-left-out', `GET\n${url.split('?')[0]}\n${tail}\n`],
    ['path-decoded', `GET\n${decodeURIComponent(url)}\n${tail}\n`],
    ['body-invented', `GET\n${url}\n${tail}{}\n`]
  ] as const) {
    await call(rsa(text), { method: 'GET', url })
    t.same(await idsOf(emulator), [id], id)
  }
  t.match(await emulator.explain(), { about: 'v3', expected: `GET\n${url}\n${tail}\n`, implied: `GET\n${url}\n${tail}{}\n`, difference: { at: `GET\n${url}\n${tail}`.length } })
})

t.test('wx.config: each common mistake is recognized', async t => {
  const emulator = await testEmulator(t)
  const token = async () => (await emulator.app.inject(`/cgi-bin/token?grant_type=client_credential&appid=${emulator.account.appId}&secret=${emulator.account.appSecret}`)).json().access_token as string
  const ticketOf = async (type: string) => (await emulator.app.inject(`/cgi-bin/ticket/getticket?access_token=${await token()}&type=${type}`)).json().ticket as string
  const ticket = await ticketOf('jsapi')
  const card = await ticketOf('wx_card')
  const access = await token()
  const url = 'http://localhost:3000/a?x=1&y=%E4'
  const ask = (signature: string, page = url) => emulator.app.inject({ method: 'POST', url: '/_emulator/bridge/preVerifyJSAPI', payload: JSON.stringify({ appId: emulator.account.appId, url: page, verifyNonceStr: 'n', verifyTimestamp: '1', verifySignature: signature }) })
  const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')
  const text = (of = ticket, page = url, names = ['jsapi_ticket', 'noncestr', 'timestamp', 'url']) => joined([of, 'n', '1', page].map((value, at) => [names[at] as string, value]))
  t.match((await ask(sha1(text()))).json(), { err_msg: 'preVerifyJSAPI:ok' })
  t.match((await ask(sha1(text()), `${url}#here`)).json(), { err_msg: 'preVerifyJSAPI:ok' }, 'the fragment is ignored')
  const cases: Array<[string, string, string?]> = [
    ['upper-case', sha1(text()).toUpperCase()],
    ['other-algorithm', createHash('md5').update(text()).digest('hex')],
    ['names-camel-case', sha1(text(ticket, url, ['jsapi_ticket', 'nonceStr', 'timestamp', 'url']))],
    ['names-camel-case', sha1(text(ticket, url, ['jsapi_ticket', 'nonceStr', 'timeStamp', 'url']))],
    ['unsorted', sha1(joined([['noncestr', 'n'], ['jsapi_ticket', ticket], ['timestamp', '1'], ['url', url]]))],
    ['url-fragment', sha1(text(ticket, `${url}#top`)), `${url}#top`],
    ['url-query-cut', sha1(text(ticket, 'http://localhost:3000/a'))],
    ['url-escaped', sha1(text(ticket, url.replace('&', '&amp;')))],
    ['url-encoded-whole', sha1(text(ticket, encodeURIComponent(url)))],
    ['url-scheme', sha1(text(ticket, url.replace('http:', 'https:')))],
    ['url-slash', sha1(text(ticket, url.replace('/a?', '/a/?')))],
    ['url-origin', sha1(text(ticket, 'http://localhost:3000/'))],
    ['url-decoded', sha1(text(ticket, 'http://localhost:3000/ü')), 'http://localhost:3000/%C3%BC'],
    ['url-other-page', sha1(text()), 'http://localhost:3000/second'],
    ['ticket-card', sha1(text(card))],
    ['ticket-token', sha1(text(access))],
    ['unknown', sha1('other')]
  ]
  for (const [id, signature, page] of cases) {
    t.match((await ask(signature, page)).json(), { err_msg: 'preVerifyJSAPI:invalid signature' })
    t.same(await idsOf(emulator), [id], id)
  }
  const { expected } = await emulator.explain()
  t.equal(expected, `jsapi_ticket=<jsapi_ticket>&noncestr=n&timestamp=1&url=${url}`)
  await emulator.expireTokens({ tickets: true })
  const fresh = await ticketOf('jsapi')
  await ask(sha1(text(ticket)))
  t.not(fresh, ticket)
  t.same(await idsOf(emulator), ['ticket-dead'])
})

t.test('paySign: v2, v3 and app', async t => {
  const emulator = await testEmulator(t)
  const { apiKey, appId } = emulator.account
  const { merchant: { mchId, v3 } } = emulator.bothConfig
  const prepay = async (change: Record<string, string>) => {
    const fields = orderOf(emulator, change)
    return /prepay_id><!\[CDATA\[(\w+)/.exec((await send(emulator, { ...fields, sign: signV2(fields, apiKey, 'MD5') })).body)?.[1] as string
  }
  const pay = async (parameters: object, name = 'getBrandWCPayRequest') => (await emulator.app.inject({ method: 'POST', url: `/_emulator/bridge/${name}`, payload: JSON.stringify(parameters) })).json()
  const id = await prepay({})
  const right = { appId, timeStamp: '1', nonceStr: 'n', package: `prepay_id=${id}`, signType: 'MD5' }
  const signed = (fields: Record<string, string>) => signV2(fields, apiKey, 'MD5')
  const { timeStamp, ...rest } = right
  const cases: Array<[string[], object]> = [
    [['timestamp-case'], { ...right, paySign: signed({ ...rest, timestamp: timeStamp }) }],
    [['names-lower-case'], { ...right, paySign: signed({ appid: appId, timestamp: '1', noncestr: 'n', package: right.package, signType: 'MD5' }) }],
    [['bare-prepay-id'], { ...right, paySign: signed({ ...right, package: id }) }],
    [['left-out:signType'], { ...right, paySign: signed({ appId, timeStamp, nonceStr: 'n', package: right.package }) }],
    [['sign-type-other'], { ...right, signType: 'SHA1', paySign: signed({ ...right, signType: 'SHA1' }) }],
    [['another-app-id'], { ...right, appId: 'wx1', paySign: signed({ ...right, appId: 'wx1' }) }],
    [['timestamp-number'], { ...right, timeStamp: 1, paySign: signed(right) }],
    [['lower-case'], { ...right, paySign: signed(right).toLowerCase() }]
  ]
  for (const [ids, parameters] of cases) {
    t.match(await pay(parameters), { err_desc: '支付验证签名失败' })
    t.same(await idsOf(emulator), ids, `${ids}`)
  }
  t.match(await pay({ ...right, paySign: signed(right) }), { cashier: /^\/_emulator\/cashier\// })

  const appId1 = await prepay({ trade_type: 'APP', out_trade_no: 'E-2' })
  const app = { appid: appId, partnerid: mchId, prepayid: appId1, package: 'Sign=WXPay', noncestr: 'n', timestamp: '1' }
  t.match(await pay({ ...app, sign: signed({ ...app, prepayid: `prepay_id=${appId1}` }) }, 'sendPayReq'), { errCode: -1 })
  t.same(await idsOf(emulator), ['prefixed-prepay-id'])
  t.match(await pay({ ...app, sign: signed(app) }, 'sendPayReq'), { errCode: 0 })

  const body = JSON.stringify({ appid: appId, mchid: mchId, description: 'tea', out_trade_no: 'E-00003', notify_url: 'https://shop.test/n', amount: { total: 1 }, payer: { openid: OPENID } })
  const now = String(Math.floor(Date.now() / 1000))
  const rsa = (text: string) => sign('sha256', Buffer.from(text), v3.privateKey).toString('base64')
  const placed = await emulator.app.inject({ method: 'POST', url: '/v3/pay/transactions/jsapi', headers: { authorization: `WECHATPAY2-SHA256-RSA2048 mchid="${mchId}",nonce_str="q",signature="${rsa(`POST\n/v3/pay/transactions/jsapi\n${now}\nq\n${body}\n`)}",timestamp="${now}",serial_no="${v3.serialNo}"` }, payload: body })
  const v3Id = placed.json().prepay_id
  const page = { appId, timeStamp: '1', nonceStr: 'n', package: `prepay_id=${v3Id}`, signType: 'RSA' }
  for (const [mistake, paySign] of [
    ['bare-prepay-id', rsa(`${appId}\n1\nn\n${v3Id}\n`)],
    ['no-last-newline', rsa(`${appId}\n1\nn\nprepay_id=${v3Id}`)],
    ['crlf-lines', rsa(`${appId}\r\n1\r\nn\r\nprepay_id=${v3Id}\r\n`)],
    ['signed-as-v2', signed(page)],
    ['other-text', rsa('x')]
  ] as const) {
    t.match(await pay({ ...page, paySign }), { err_desc: '支付验证签名失败' })
    t.same(await idsOf(emulator), [mistake], mistake)
  }
  t.match(await pay({ ...page, paySign: rsa(`${appId}\n1\nn\nprepay_id=${v3Id}\n`) }), { cashier: /cashier/ })
})
