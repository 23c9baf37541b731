/** Numbers beyond 2^53 are preserved; everything else is read as by JSON.parse. */
import t from 'tap'
import { parseJson } from '../../src/json.ts'
import { createAccessToken } from '../../src/official-account/access-token.ts'
import { createPay } from '../../src/pay/pay.ts'
import { ACCOUNT } from '../helpers/account.ts'
import { fakeServer } from '../helpers/fake-server.ts'
import { answering, v3Options } from '../helpers/v3-server.ts'

// A template message's msgid has 19 digits (w7corp/easywechat and WxJava threads, witnesses "Official Account").
const SENT = '{"errcode":0,"errmsg":"ok","msgid":3512345678901234567}'

t.test('unsafe integers become strings of their digits', t => {
  t.strictSame(parseJson(SENT), { errcode: 0, errmsg: 'ok', msgid: '3512345678901234567' })
  t.strictSame(parseJson('[9007199254740991,9007199254740992,-9007199254740993, 1]'), [9007199254740991, '9007199254740992', '-9007199254740993', 1])
  t.equal(parseJson('3512345678901234567'), '3512345678901234567')
  t.strictSame(parseJson('{"a":[{"b":3512345678901234567}],"c":"3512345678901234567","d":"\\"3512345678901234567"}'), { a: [{ b: '3512345678901234567' }], c: '3512345678901234567', d: '"3512345678901234567' })
  t.end()
})

t.test('everything else is the same as with JSON.parse', t => {
  for (const text of ['{}', '[]', 'null', '0', '-0', '1.5', '1e21', '123456789012345678.5', '12345678901234567e2', '0.12345678901234567890', '"\\\\"', '"a\\"12345678901234567890\\\\"', '{"\\"":1,"4200000000202611231234567890":"\\u4e2d"}', ' { "id" : "4200000000202611231234567890" , "n" : 1234567890123456 } ']) {
    t.strictSame(parseJson(text), JSON.parse(text), text)
  }
  for (const text of ['', '{', '{"a":1,}', '{12345678901234567890:1}', '01234567890123456789', '12345678901234567890x', '"12345678901234567890', '-', 'NaN', '\ufeff{}']) {
    t.throws(() => parseJson(text), SyntaxError, text)
  }
  t.end()
})

t.test('N22 a member __proto__ is refused in any spelling and position', t => {
  for (const text of ['{"__proto__":{"mchid":"1"}}', '{"a":[{"__proto__":1}]}', '{"\\u005f\\u005fproto__":1}', '{"__\\u0070roto__":1}']) t.throws(() => parseJson(text), SyntaxError, text)
  t.strictSame(parseJson('{"a":"__proto__","b":"\\u4e2d"}'), { a: '__proto__', b: '中' })
  t.throws(() => parseJson(`${'['.repeat(20_000)}{"__proto__":1}${']'.repeat(20_000)}`), 'deep nesting without stack overflow')
  t.end()
})

t.test('answers of an Official Account and of APIv3 are read this way', async t => {
  const server = await fakeServer((seen, reply) => {
    reply.end(seen.url.startsWith('/cgi-bin/stable_token') ? '{"access_token":"ACCESS","expires_in":7200}' : SENT)
  })
  t.teardown(server.close)
  const token = createAccessToken({ appId: ACCOUNT.appId, appSecret: ACCOUNT.appSecret, endpoints: server.endpoints })
  t.teardown(() => (token as { close?: () => void }).close?.())
  t.match(await token.request('/cgi-bin/message/template/send', { method: 'POST', json: {} }), { msgid: '3512345678901234567' })
  server.become(answering(200, '{"complaint_id":3512345678901234567,"n":5}'))
  const pay = createPay({ ...v3Options, endpoints: server.endpoints })
  t.strictSame(await pay.v3.request('GET', '/v3/x'), { complaint_id: '3512345678901234567', n: 5 })
  server.become(answering(200, '{"__proto__":{"n":5}}'))
  await t.rejects(pay.v3.request('GET', '/v3/x'), { code: 'WECHAT_REPLY' })
})
