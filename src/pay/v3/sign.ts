/** Signatures of APIv3: WeChat Pay APIv3 documentation, "Signing requests" and "Verifying signatures". Signing runs on the thread pool, so that many signatures do not block the event loop; verifying takes a fiftieth of it. */
import { sign as signWith, verify as verifyWith } from 'node:crypto'
import type { KeyLike, KeyObject } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'
import { WechatError } from '../../errors.ts'
import { nonce as newNonce } from '../../nonce.ts'
import { withTimeout } from '../../with-timeout.ts'

const signLater: (algorithm: 'sha256', data: Buffer, key: KeyObject) => Promise<Buffer> = promisify(signWith)

/**
 * Maximum number of concurrent signatures: leaves one core to the event loop. If all threads of the pool signed at once, a small
 * machine would have no core left for it, and all requests would wait.
 */
const AT_A_TIME = Math.max(1, availableParallelism() - 1)
let running = 0
const waiting: Array<() => void> = []

async function oneCoreFree<T> (work: () => Promise<T>): Promise<T> {
  if (running >= AT_A_TIME) await new Promise<void>(resolve => { waiting.push(resolve) })
  else running++
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next) next()
    else running--
  }
}

export interface SignedMessage {
  timestamp: string
  nonce: string
  /** The bytes as received. */
  body: Uint8Array
  /** base64 */
  signature: string
}

/** Whether the message is signed by this key or certificate. Does not check the timestamp. */
export const verifyV3 = (message: SignedMessage, key: KeyLike): boolean =>
  verifyWith('sha256', signedText(message), key, Buffer.from(message.signature, 'base64'))

const signedText = ({ timestamp, nonce, body }: SignedMessage) => Buffer.concat([Buffer.from(`${timestamp}\n${nonce}\n`), body, Buffer.from('\n')])

/** A private key in a KMS or HSM. */
export interface RemoteKey {
  /** The serial number of the merchant's API certificate, hex; or set `merchant.v3.serialNo`. */
  serialNo?: string
  /** Returns the RSASSA-PKCS1-v1_5 signature with SHA-256 over these bytes: 256 bytes. */
  sign (data: Uint8Array): Promise<Uint8Array>
}

export type SigningKey = KeyObject | RemoteKey

export const isRemote = (key: unknown): key is RemoteKey => typeof (key as RemoteKey | undefined)?.sign === 'function'

/** Milliseconds that a remote key may take: the timestamp it signs must still be recent on arrival. */
const REMOTE_TIMEOUT = 5000

/** @throws WechatError `WECHAT_SIGNER` (503): nothing was sent */
async function signRemotely (data: Buffer, key: RemoteKey): Promise<string> {
  try {
    const signature: unknown = await withTimeout(REMOTE_TIMEOUT, async () => await key.sign(data), () => new Error('too late'))
    if (signature instanceof Uint8Array && signature.length === 256) return Buffer.from(signature).toString('base64')
  } catch { /* reported below: its own message may contain anything */ }
  throw new WechatError('WECHAT_SIGNER', 'merchant.v3.privateKey.sign failed, took too long or did not return an RSA-2048 signature; nothing was sent', { statusCode: 503, retryable: true })
}

/** RSA-SHA256 of a text, base64. @throws WechatError `WECHAT_SIGNER` (503) if a remote key fails */
export async function signV3 (text: string, key: SigningKey): Promise<string> {
  if (isRemote(key)) return await signRemotely(Buffer.from(text), key)
  return await oneCoreFree(async () => (await signLater('sha256', Buffer.from(text), key)).toString('base64'))
}

export interface Signer {
  mchId: string
  serialNo: string
  privateKey: SigningKey
}

/** The Authorization header of one request. `path`: with its query; `body`: the signed body, '' if there is none. */
export async function authorization (method: string, path: string, body: string, { mchId, serialNo, privateKey }: Signer): Promise<string> {
  const timestamp = String(Math.floor(Date.now() / 1000))
  const nonce = newNonce()
  const signature = await signV3(`${method}\n${path}\n${timestamp}\n${nonce}\n${body}\n`, privateKey)
  return `WECHATPAY2-SHA256-RSA2048 mchid="${mchId}",nonce_str="${nonce}",signature="${signature}",timestamp="${timestamp}",serial_no="${serialNo}"`
}
