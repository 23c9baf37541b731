/** Encrypted data and signatures of a mini program, checked against published examples; and what must be refused. */
import { createCipheriv } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { decryptOpenData } from '../../../src/mini-program/decrypt.ts'
import { signWithSession } from '../../../src/mini-program/session-key.ts'

const APP_ID = 'wx4f4bc4dec97d474b'
/** The example in WeChat's WXBizDataCrypt packages. */
const WECHAT = {
  sessionKey: 'tiihtNczf5v6AKRyjwEUhQ==',
  iv: 'r7BXXKkLb8qrSNn05n0qiA==',
  data: 'CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew=='
}
const ANY_AGE = { maxAge: Infinity }

/** Encrypts like WeChat, with changes. */
function encrypt (text: string | Buffer, { padding = true } = {}): string {
  const cipher = createCipheriv('aes-128-cbc', Buffer.from(WECHAT.sessionKey, 'base64'), Buffer.from(WECHAT.iv, 'base64')).setAutoPadding(padding)
  return Buffer.concat([cipher.update(text), cipher.final()]).toString('base64')
}
const read = (data: string, options = {}) => decryptOpenData(APP_ID, WECHAT.sessionKey, WECHAT.iv, data, options)

t.test('published examples', t => {
  t.match(decryptOpenData(APP_ID, WECHAT.sessionKey, WECHAT.iv, WECHAT.data, ANY_AGE), { openId: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE', nickName: 'Band', city: 'Guangzhou', unionId: 'ocMvos6NjeKLIBqg5Mr9QjxrP1FA', watermark: { timestamp: 1477314187, appid: APP_ID } })
  t.equal(signWithSession('o0q0otL8aEzpcZL/FT9WsQ==', '{"foo":"bar"}'), '654571f79995b2ce1e149e53c0a33dc39c0a74090db514261454e8dbe432aa0b', 'WeChat\'s document "User login signature"')
  t.end()
})

t.test('the watermark\'s appid and timestamp', t => {
  const now = Math.floor(Date.now() / 1000)
  const at = (timestamp: number, appid = APP_ID) => encrypt(JSON.stringify({ openId: 'o1', watermark: { timestamp, appid } }))
  t.match(read(at(now)), { openId: 'o1' })
  t.match(read(at(now - 290)), { openId: 'o1' })
  t.match(read(at(now + 290)), { openId: 'o1' }, 'WeChat\'s clock may be ahead')
  for (const data of [at(now - 310), at(now + 310), at(0)]) t.throws(() => read(data), { code: 'WECHAT_DECRYPT', statusCode: 400, message: /300 seconds/ })
  t.match(read(at(now - 3000), { maxAge: 3600 }), { openId: 'o1' })
  t.throws(() => read(at(now, 'wx1')), { code: 'WECHAT_DECRYPT', message: /another mini program/ })
  for (const maxAge of [0, -1, NaN, '300']) t.throws(() => read(at(now), { maxAge }), { code: 'WECHAT_INPUT', field: 'maxAge' })
  t.end()
})

t.test('anything not from WeChat is refused with the same error', t => {
  const now = Math.floor(Date.now() / 1000)
  const block = (text: string) => Buffer.from(text.padEnd(Math.ceil(text.length / 16) * 16))
  const messages = new Set<string>()
  const fine = JSON.stringify({ watermark: { timestamp: now, appid: APP_ID } })
  const foreign = createCipheriv('aes-128-cbc', Buffer.alloc(16, 7), Buffer.from(WECHAT.iv, 'base64'))
  for (const [name, data] of Object.entries({
    'wrong padding': encrypt(block(fine), { padding: false }),
    'padding of 0': encrypt(Buffer.concat([block(fine), Buffer.alloc(16)]), { padding: false }),
    'padding of 17': encrypt(Buffer.concat([block(fine), Buffer.alloc(16, 17)]), { padding: false }),
    'a changed block': WECHAT.data.replace(/^C/, 'D'),
    'cut by a block': Buffer.from(WECHAT.data, 'base64').subarray(0, -16).toString('base64'),
    'no JSON': encrypt('hello'),
    'no object': encrypt('5'),
    null: encrypt('null'),
    'no watermark': encrypt('{"openId":"o1"}'),
    'a watermark of other types': encrypt('{"watermark":{"appid":5,"timestamp":"x"}}'),
    'a prototype': encrypt(`{"__proto__":{"admin":true},"watermark":{"timestamp":${now},"appid":"${APP_ID}"}}`),
    'no UTF-8': encrypt(Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from(`","watermark":{"timestamp":${now},"appid":"${APP_ID}"}}`)])),
    'another session\'s': Buffer.concat([foreign.update(fine), foreign.final()]).toString('base64')
  })) {
    try {
      read(data)
      t.fail(name)
    } catch (error) {
      t.match(error, { code: 'WECHAT_DECRYPT', statusCode: 400, fault: 'caller', advice: /wx\.login/, adviceZh: /session_key/ }, name)
      t.notMatch(inspect(error, { showHidden: true, depth: 5 }), WECHAT.sessionKey)
      messages.add((error as Error).message)
    }
  }
  t.equal(messages.size, 1, 'errors do not reveal how far a ciphertext was processed')
  t.end()
})

t.test('malformed arguments are named without their value', t => {
  const { sessionKey, iv, data } = WECHAT
  for (const [key, vector, text, field] of [
    ['', iv, data, 'sessionKey'], ['canarySessionKeyThatIsTooLong0000==', iv, data, 'sessionKey'], [5, iv, data, 'sessionKey'], [undefined, iv, data, 'sessionKey'],
    [sessionKey, '', data, 'iv'], [sessionKey, 'AAAA', data, 'iv'], [sessionKey, null, data, 'iv'],
    [sessionKey, iv, '', 'data'], [sessionKey, iv, 'not base64!', 'data'], [sessionKey, iv, 'AAAA', 'data'], [sessionKey, iv, 'A'.repeat(1 << 20), 'data'], [sessionKey, iv, ['x'], 'data'], [sessionKey, iv, data.replaceAll('+', ' '), 'data']
  ] as const) {
    t.throws(() => decryptOpenData(APP_ID, key as string, vector as string, text as string, ANY_AGE), { code: 'WECHAT_INPUT', field, statusCode: 400 })
    try {
      decryptOpenData(APP_ID, key as string, vector as string, text as string, ANY_AGE)
    } catch (error) {
      t.notMatch(inspect(error, { showHidden: true }), /canary|tiihtNczf5v6/)
    }
  }
  t.end()
})
