/**
 * A sub-merchant's fund flow bill: files encrypted with keys that are themselves encrypted for the provider. WeChat Pay
 * APIv3 documentation, "Fund flow bill of one sub-merchant"; what the hash is of: the official Java library's EncryptBillEntity.
 */
import { createDecipheriv, createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { WechatConfigError, WechatReplyError } from '../../errors.ts'
import { MAX_BILL_BYTES } from '../bill-table.ts'
import type { CheckedV3 } from '../merchant.ts'
import type { V3Client } from './client.ts'
import { decryptSensitiveBytes } from './sensitive.ts'
import { isRemote } from './sign.ts'

export const SEALED_BILL = '/v3/bill/sub-merchant-fundflowbill'

/** Packed bytes of one file: all of it is held, since nothing of it may be believed before its last 16 bytes, the tag. */
const MAX_FILE = 256 * 1024 ** 2
const TAG_LENGTH = 16

interface SealedFile { sequence: number, url: string, key: Buffer, nonce: string, sha1: string }

/** The bill's bytes, packed with gzip, each file of it decrypted and found whole before its first byte is handed out. */
export async function openSealedBill ({ request, download }: Pick<V3Client, 'request' | 'download'>, merchant: CheckedV3, which: Record<string, string>): Promise<AsyncIterable<Buffer>> {
  const answer = await request('GET', SEALED_BILL, { query: { ...which, tar_type: 'GZIP', algorithm: 'AEAD_AES_256_GCM' } })
  const list = Array.isArray(answer.download_bill_list) ? answer.download_bill_list as Array<Record<string, unknown> | null> : []
  const files = list.map(file => fileOf(file ?? {}, merchant)).sort((a, b) => a.sequence - b.sequence)
  // Numbered from 1: a gap is a piece of the day that would be missing.
  if (files.length === 0 || files.length !== answer.download_bill_count || files.some(({ sequence }, at) => sequence !== at + 1)) throw broken('is not all there')

  // The pieces are one text that was cut, and packed texts one behind the other unpack to it.
  return (async function * () {
    for (const file of files) {
      const packed = await opened(await download(file.url), file)
      await checkHash(packed, file.sha1)
      yield * packed
    }
  })()
}

const broken = (why: string) => new WechatReplyError(SEALED_BILL, `the bill ${why}`)

function fileOf ({ bill_sequence: sequence, download_url: url, encrypt_key: sealed, nonce, hash_type: type, hash_value: sha1 }: Record<string, unknown>, { privateKey }: CheckedV3): SealedFile {
  if (typeof sequence !== 'number' || typeof url !== 'string' || typeof sealed !== 'string' || typeof nonce !== 'string' || nonce === '' || type !== 'SHA1' || typeof sha1 !== 'string' || !/^[0-9a-f]{40}$/i.test(sha1)) {
    throw broken('is not described: where it lies, how it is encrypted, and what it hashes to')
  }
  if (isRemote(privateKey)) throw new WechatConfigError('merchant.v3.privateKey', 'is elsewhere: this bill is encrypted for it, and can be read with the key itself only')
  let key: Buffer | undefined
  try { key = decryptSensitiveBytes(sealed, privateKey) } catch { /* said below */ }
  if (key?.length !== 32) throw broken('was not encrypted for this merchant')
  return { sequence, url, key, nonce, sha1 }
}

/** @throws WechatReplyError unless every byte is as WeChat wrote it */
async function opened (body: AsyncIterable<Buffer>, { key, nonce }: SealedFile): Promise<Buffer[]> {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_LENGTH })
  const plain: Buffer[] = []
  let size = 0
  // Which bytes are the tag is known at the end only.
  let held: Buffer = Buffer.alloc(0)
  for await (const chunk of body) {
    size += chunk.length
    if (size > MAX_FILE) throw broken('has a file that is larger than allowed')
    held = Buffer.concat([held, chunk])
    if (held.length <= TAG_LENGTH) continue
    plain.push(decipher.update(held.subarray(0, -TAG_LENGTH)))
    held = held.subarray(-TAG_LENGTH)
  }
  try {
    decipher.setAuthTag(held)
    plain.push(decipher.final())
  } catch {
    throw broken('was cut or altered')
  }
  return plain
}

/** What WeChat announced is the hash of the text, unpacked. */
async function checkHash (packed: Buffer[], sha1: string): Promise<void> {
  const hash = createHash('sha1')
  let size = 0
  let tooLarge = false
  try {
    await pipeline(Readable.from(packed), createGunzip(), async chunks => {
      for await (const chunk of chunks as AsyncIterable<Buffer>) {
        size += chunk.length
        if ((tooLarge = size > MAX_BILL_BYTES)) return
        hash.update(chunk)
      }
    })
  } catch {
    if (!tooLarge) throw broken('is not gzip')
  }
  if (tooLarge) throw broken('is larger than allowed')
  if (hash.digest('hex') !== sha1.toLowerCase()) throw broken('does not have the hash that WeChat announced')
}
