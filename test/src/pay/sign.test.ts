import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { signV2, verifyV2 } from '../../../src/pay/v2/sign.ts'
import { need } from '../../helpers/needs.ts'

const KEY = '0123456789abcdefghijABCDEFGHIJ42'
const openssl = need('openssl')

t.test('the signature matches openssl\'s', { skip: openssl.skip }, async t => {
  const fields = { b: '2', a: '1', empty: '', none: undefined, sign: 'ignored', body: '咖啡 & more', Z: 'upper first' }
  const text = `Z=upper first&a=1&b=2&body=咖啡 & more&key=${KEY}`
  const digest = (...args: string[]) => execFileSync(openssl.path, ['dgst', ...args], { input: text }).toString().trim().split(' ').pop()?.toUpperCase()
  t.equal(signV2(fields, KEY, 'MD5'), digest('-md5'))
  t.equal(signV2(fields, KEY, 'HMAC-SHA256'), digest('-sha256', '-hmac', KEY))
})

const message = fc.dictionary(fc.stringMatching(/^[a-z_]{1,12}$/).filter(name => name !== 'sign' && name !== 'sign_type'), fc.string({ unit: 'grapheme' }), { minKeys: 1 })

t.test('verifies its own signatures in any field order, and refuses alterations', async t => {
  for (const signType of ['MD5', 'HMAC-SHA256'] as const) {
    fc.assert(fc.property(message, fields => {
      const sign = signV2(fields, KEY, signType)
      t.ok(verifyV2(Object.fromEntries(Object.entries({ ...fields, sign }).reverse()), KEY, signType))
      for (const name of Object.keys(fields)) t.notOk(verifyV2({ ...fields, [name]: `${fields[name]}x`, sign }, KEY, signType))
      t.notOk(verifyV2({ ...fields, added: 'x', more: 'y', sign }, KEY, signType))
    }), { numRuns: 50 })
  }
})

t.test('leading zeros of a digest are kept', async t => {
  let found = 0
  for (let at = 0; at < 2000 && found < 3; at++) {
    const sign = signV2({ a: String(at) }, KEY, 'MD5')
    t.equal(sign.length, 32)
    if (sign.startsWith('0')) found++
  }
  t.equal(found, 3)
})

t.test('the algorithm is configured, never chosen by the message', async t => {
  const md5 = { a: '1', sign_type: 'MD5' }
  const signed = { ...md5, sign: signV2(md5, KEY, 'MD5') }
  t.ok(verifyV2(signed, KEY, 'MD5'))
  t.notOk(verifyV2(signed, KEY, 'HMAC-SHA256'))
  t.notOk(verifyV2({ a: '1', sign: signV2({ a: '1' }, KEY, 'MD5') }, KEY, 'HMAC-SHA256'))
})

t.test('missing, short, long and lower-case signatures are refused', async t => {
  const sign = signV2({ a: '1' }, KEY, 'MD5')
  for (const wrong of [undefined, '', sign.slice(1), `${sign}0`, sign.toLowerCase(), '签'.repeat(32), '签'.repeat(11)]) {
    t.notOk(verifyV2({ a: '1', sign: wrong }, KEY, 'MD5'))
  }
})
