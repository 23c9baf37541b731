/**
 * A sub-merchant's fund flow bill: files encrypted with keys that are themselves encrypted for the provider. WeChat Pay
 * APIv3 documentation, "Fund flow bill of one sub-merchant"; the hash follows the official Java library's EncryptBillEntity.
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

export const ENCRYPTED_BILL = '/v3/bill/sub-merchant-fundflowbill'

/** Maximum compressed size of one file: the whole file is held in memory, because nothing in it may be used before its tag, the last 16 bytes, is verified. */
const MAX_FILE = 256 * 1024 ** 2
const TAG_LENGTH = 16

interface EncryptedFile { sequence: number, url: string, key: Buffer, nonce: string, sha1: string }

/** The bill's gzip bytes. Each file is decrypted and verified before its first byte is yielded. */
export async function decryptBill ({ request, download }: Pick<V3Client, 'request' | 'download'>, merchant: CheckedV3, which: Record<string, string>): Promise<AsyncIterable<Buffer>> {
  const answer = await request('GET', ENCRYPTED_BILL, { query: { ...which, tar_type: 'GZIP', algorithm: 'AEAD_AES_256_GCM' } })
  const list = Array.isArray(answer.download_bill_list) ? answer.download_bill_list as Array<Record<string, unknown> | null> : []
  const files = list.map(file => fileOf(file ?? {}, merchant)).sort((a, b) => a.sequence - b.sequence)
  // Numbered from 1: a gap would mean that a part of the day is missing.
  if (files.length === 0 || files.length !== answer.download_bill_count || files.some(({ sequence }, at) => sequence !== at + 1)) throw broken('is incomplete')

  // The files are parts of one text; concatenated gzip files decompress to the whole text.
  return (async function * () {
    for (const file of files) {
      const packed = await decrypted(await download(file.url), file)
      await checkHash(packed, file.sha1)
      yield * packed
    }
  })()
}

const broken = (why: string) => new WechatReplyError(ENCRYPTED_BILL, `the bill ${why}`)

function fileOf ({ bill_sequence: sequence, download_url: url, encrypt_key: sealed, nonce, hash_type: type, hash_value: sha1 }: Record<string, unknown>, { privateKey }: CheckedV3): EncryptedFile {
  if (typeof sequence !== 'number' || typeof url !== 'string' || typeof sealed !== 'string' || typeof nonce !== 'string' || nonce === '' || type !== 'SHA1' || typeof sha1 !== 'string' || !/^[0-9a-f]{40}$/i.test(sha1)) {
    throw broken('has no download_url, encryption key or hash in the answer')
  }
  if (isRemote(privateKey)) throw new WechatConfigError('merchant.v3.privateKey', 'is a remote signer: this bill is encrypted for the key and can only be read with the key itself')
  let key: Buffer | undefined
  try { key = decryptSensitiveBytes(sealed, privateKey) } catch { /* reported below */ }
  if (key?.length !== 32) throw broken('was not encrypted for this merchant')
  return { sequence, url, key, nonce, sha1 }
}

/** @throws WechatReplyError if any byte was altered */
async function decrypted (body: AsyncIterable<Buffer>, { key, nonce }: EncryptedFile): Promise<Buffer[]> {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_LENGTH })
  const plain: Buffer[] = []
  let size = 0
  // Only the end shows which bytes are the tag.
  let pendingTag: Buffer = Buffer.alloc(0)
  for await (const chunk of body) {
    size += chunk.length
    if (size > MAX_FILE) throw broken('has a file that is larger than allowed')
    pendingTag = Buffer.concat([pendingTag, chunk])
    if (pendingTag.length <= TAG_LENGTH) continue
    plain.push(decipher.update(pendingTag.subarray(0, -TAG_LENGTH)))
    pendingTag = pendingTag.subarray(-TAG_LENGTH)
  }
  try {
    decipher.setAuthTag(pendingTag)
    plain.push(decipher.final())
  } catch {
    throw broken('was truncated or altered')
  }
  return plain
}

/** Checks the announced hash, which is of the decompressed text. */
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
