/** Worked examples from WeChat's documentation and other libraries' tests. */
import { createCipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { decryptRefund, decryptResource, refundCipherKey, signJssdk, signV2, verifyV2, verifyV3 } from '../../src/index.ts'

interface Vector { name: string, inputs: Record<string, any>, expected: unknown }

const vectors: Vector[] = JSON.parse(readFileSync(new URL('../fixtures/vectors.json', import.meta.url), 'utf8'))

const CHECKS: Record<string, (inputs: any, expected: any) => boolean> = {
  'v2 sign MD5': ({ params, key }, expected) => signV2(params, key, 'MD5') === expected && verifyV2({ ...params, sign: expected }, key, 'MD5'),
  'v2 sign HMAC-SHA256': ({ params, key }, expected) => signV2(params, key, 'HMAC-SHA256') === expected && verifyV2({ ...params, sign: expected }, key, 'HMAC-SHA256'),
  'JS-SDK signature': (inputs, expected) => signJssdk(inputs) === expected,
  'v3 AEAD_AES_256_GCM': ({ apiV3Key, ...resource }, expected) => decryptResource(resource, apiV3Key).toString() === expected,
  'v3 notification signature': ({ certificate, headers, body }, expected) => verifyV3({
    timestamp: headers['Wechatpay-Timestamp'], nonce: headers['Wechatpay-Nonce'], signature: headers['Wechatpay-Signature'], body: Buffer.from(body)
  }, certificate) === expected,
  'v2 refund cipher AES-256-ECB/PKCS7': ({ key, plaintext }, expected) => decryptRefund(expected, key).toString() === plaintext
}

t.equal(vectors.length, Object.keys(CHECKS).length, 'every vector is checked')
for (const { name, inputs, expected } of vectors) t.ok(CHECKS[name]?.(inputs, expected), name)

t.test('changing any byte of a v3 message is detected', async t => {
  const { inputs } = vectors.find(({ name }) => name === 'v3 AEAD_AES_256_GCM') as Vector
  const { apiV3Key, nonce, associated_data, ciphertext } = inputs
  const bytes = Buffer.from(ciphertext, 'base64')
  for (let at = 0; at < bytes.length; at++) {
    const altered = Buffer.from(bytes)
    altered[at] = (altered[at] as number) ^ 1
    t.throws(() => decryptResource({ ciphertext: altered.toString('base64'), nonce, associated_data }, apiV3Key))
  }
  t.throws(() => decryptResource({ ciphertext, nonce, associated_data: 'other' }, apiV3Key), 'associated data')
  t.throws(() => decryptResource({ ciphertext, nonce }, apiV3Key), 'no associated data')
  t.throws(() => decryptResource({ ciphertext: bytes.subarray(0, 11).toString('base64'), nonce, associated_data }, apiV3Key), 'a short tag')
})

t.test('the refund cipher uses the MD5 of the API key', async t => {
  const key = refundCipherKey('192006250b4c09247ec02edce69f6a2d')
  t.match(key, /^[0-9a-f]{32}$/)
  const cipher = createCipheriv('aes-256-ecb', key, null)
  t.equal(decryptRefund(cipher.update('<root/>', 'utf8', 'base64') + cipher.final('base64'), key).toString(), '<root/>')
})
