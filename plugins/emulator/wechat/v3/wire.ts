/** How WeChat words, signs and encrypts what it sends in APIv3. */
import { createCipheriv, sign } from 'node:crypto'
import { createRandom } from '../../state/random.ts'
import type { Random } from '../../state/random.ts'
import type { World } from '../../state/world.ts'
import type { V3Keys } from '../../keys/v3-keys.ts'

/** A refusal: HTTP status, code, WeChat's words, and the inner code that ends its Request-ID. */
export interface V3Refusal { status: number, code: string, message: string, inner: number, detail?: unknown }

export const refuse = (status: number, code: string, message: string, inner = 268435461, detail?: unknown): V3Refusal =>
  ({ status, code, message, inner, ...(detail !== undefined && { detail }) })

/** The headers that vouch for a body; `asked`: the Wechatpay-Serial of the request. */
export function signedHeaders (world: World, keys: V3Keys, body: string, asked?: string): Record<string, string> {
  const timestamp = String(Math.floor(world.wireNow() / 1000))
  const nonce = world.random.hex(16)
  const { serial, key } = signerFor(world, keys, asked)
  return {
    'wechatpay-timestamp': timestamp,
    'wechatpay-nonce': nonce,
    'wechatpay-serial': serial,
    'wechatpay-signature': sign('sha256', Buffer.from(`${timestamp}\n${nonce}\n${body}\n`), key).toString('base64'),
    'wechatpay-signature-type': 'WECHATPAY2-SHA256-RSA2048'
  }
}

/** Who does not name the public key in a request gets an answer that is signed with a platform certificate. */
function signerFor (world: World, keys: V3Keys, asked: string | undefined) {
  const byCertificate = world.keyMode === 'certificate' || (asked !== undefined && asked !== keys.wechat.id)
  if (!byCertificate) return { serial: keys.wechat.id, key: keys.wechat.key }
  const { serial, key } = keys.platform().at(-1) as ReturnType<V3Keys['platform']>[number]
  return { serial, key }
}

/** AEAD_AES_256_GCM with the merchant's APIv3 key. */
export function encryptResource (text: string, apiV3Key: string, associated: string, { hex }: Pick<Random, 'hex'> = createRandom()) {
  const nonce = hex(6)
  const cipher = createCipheriv('aes-256-gcm', apiV3Key, nonce).setAAD(Buffer.from(associated))
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64')
  return { algorithm: 'AEAD_AES_256_GCM', ciphertext, nonce, associated_data: associated }
}
