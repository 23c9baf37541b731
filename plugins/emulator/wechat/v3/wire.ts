/** APIv3's errors, signatures and encryption, as WeChat sends them. */
import { createCipheriv, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createRandom } from '../../state/random.ts'
import type { Random } from '../../state/random.ts'
import type { State } from '../../state/state.ts'
import type { V3Keys } from '../../keys/v3-keys.ts'

/** An APIv3 error: HTTP status, code, WeChat's message, and the inner code at the end of its Request-ID. */
export interface V3Error { status: number, code: string, message: string, inner: number, detail?: unknown }

export const refuse = (status: number, code: string, message: string, inner = 268435461, detail?: unknown): V3Error =>
  ({ status, code, message, inner, ...(detail !== undefined && { detail }) })

/** The signature headers for a body, of answers and notifications. */
export function signedHeaders (state: Pick<State, 'wireNow' | 'random'>, body: string, { serial, key }: Signer, nonce = state.random.hex(16)): Record<string, string> {
  const timestamp = String(Math.floor(state.wireNow() / 1000))
  return {
    'wechatpay-timestamp': timestamp,
    'wechatpay-nonce': nonce,
    'wechatpay-serial': serial,
    'wechatpay-signature': sign('sha256', Buffer.from(`${timestamp}\n${nonce}\n${body}\n`), key).toString('base64')
  }
}

export interface Signer { serial: string, key: KeyObject }

/** Signs with WeChat's public key; Wechatpay-Serial is its id. */
export const byPublicKey = ({ wechat: { id, key } }: V3Keys): Signer => ({ serial: id, key })
const byCertificate = (keys: V3Keys): Signer => keys.platform().at(-1) as Signer

/**
 * The key that signs an answer. `requested`: the request's Wechatpay-Serial. For a merchant without certificates it is always
 * the public key (wechatpay-php's README, wechatpay-axios-plugin 61, wechatpay-java 306). For a merchant with both it is
 * the certificate, unless the request names the public key (WxJava 3548) while the switch is under way.
 */
export function answerSigner (state: State, keys: V3Keys, requested: string | undefined): Signer {
  const { keyMode, keySwitch: { stage } } = state
  if (keyMode === 'public-key' || (keyMode === 'both' && stage === 'done')) return byPublicKey(keys)
  return keyMode === 'both' && stage === 'under-way' && requested === keys.wechat.id ? byPublicKey(keys) : byCertificate(keys)
}

/** The key that signs callbacks: during the switch, the public key signs its share of them, evenly spread. */
export function callbackSigner (state: State, keys: V3Keys): () => Signer {
  let due = 0
  return () => {
    const { keyMode, keySwitch: { stage, callbacks } } = state
    if (keyMode !== 'both' || stage !== 'under-way') return answerSigner(state, keys, undefined)
    due += callbacks
    // Ten times 0.1 is slightly less than 1 in floating point.
    if (due < 1 - 1e-9) return byCertificate(keys)
    due -= 1
    return byPublicKey(keys)
  }
}

/** AEAD_AES_256_GCM with the merchant's APIv3 key. */
export function encryptResource (text: string, apiV3Key: string, associated: string, { hex }: Pick<Random, 'hex'> = createRandom()) {
  const nonce = hex(6)
  const cipher = createCipheriv('aes-256-gcm', apiV3Key, nonce).setAAD(Buffer.from(associated))
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64')
  return { algorithm: 'AEAD_AES_256_GCM', ciphertext, nonce, associated_data: associated }
}
