/** Keys and validators that the emulator creates on demand. */
import { spawnSync } from 'node:child_process'
import { constants, createPublicKey, createSign, createVerify, privateDecrypt, publicEncrypt } from 'node:crypto'
import t from 'tap'
import { makeRsa, makeRsaSync } from '../../plugins/emulator/keys/rsa.ts'
import { createV3Keys } from '../../plugins/emulator/keys/v3-keys.ts'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import { need } from '../helpers/needs.ts'

const openssl = need('openssl')

t.test('RSA keys from two primes pass OpenSSL\'s check of a 2048-bit key', async t => {
  for (const [how, pair] of [['pool', await makeRsa()], ['at once', makeRsaSync()]] as const) {
    t.match(pair.privateKey.asymmetricKeyDetails, { modulusLength: 2048, publicExponent: 65537n }, how)
    const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    if (!openssl.skip) t.match(spawnSync(openssl.path, ['rsa', '-check', '-noout'], { input: pem, encoding: 'utf8' }).stdout, /RSA key ok/)
    const signature = createSign('sha256').update('text').sign(pem)
    t.ok(createVerify('sha256').update('text').verify(pair.publicKey, signature))
    const sealed = publicEncrypt({ key: createPublicKey(pem), padding: constants.RSA_PKCS1_OAEP_PADDING }, Buffer.from('text'))
    t.equal(privateDecrypt({ key: pem, padding: constants.RSA_PKCS1_OAEP_PADDING }, sealed).toString(), 'text')
  }
})

t.test('an account\'s keys are created once, and restored with a saved account', async t => {
  const keys = createV3Keys('1900000109')
  const { key, cert, serial } = keys.merchant
  t.equal(keys.merchant.key, key)
  const again = createV3Keys('1900000109', { saved: keys.saved() })
  t.ok(again.merchant.key.equals(key))
  t.same([again.merchant.cert, again.merchant.serial, again.wechat.id], [cert, serial, keys.wechat.id])
  t.ok(again.wechat.publicKey.equals(keys.wechat.publicKey))
})

t.test('the control interface validates bodies at the first and later calls', async t => {
  const emulator = await createEmulator()
  t.teardown(() => emulator.close())
  for (let call = 0; call < 2; call++) {
    const refused = await emulator.app.inject({ method: 'POST', url: '/_emulator/keys/mode', payload: { mode: 'none' } })
    t.equal(refused.statusCode, 400)
    t.match(refused.json(), { code: 'PARAM_ERROR', message: /body\/mode must be equal to one of the allowed values/ })
  }
  await emulator.setKeyMode('certificate')
  t.notHas((await emulator.app.inject({ url: '/_emulator/config' })).json<{ merchant: { v3: object } }>().merchant.v3, { publicKey: /PUBLIC/ })
})
