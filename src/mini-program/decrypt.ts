/** Decrypts a mini program page's `encryptedData`: AES-128-CBC with the session key. WeChat's documentation "Encrypted open data". */
import { createDecipheriv } from 'node:crypto'
import { WechatError, WechatInputError } from '../errors.ts'
import { parseJson } from '../json.ts'
import { requireSessionKey } from './session-key.ts'

export interface Watermark {
  appid: string
  /** When the page requested the data, in seconds since 1970. */
  timestamp: number
}

export type OpenData = Record<string, unknown> & { watermark: Watermark }

export interface DecryptOptions {
  /** Maximum difference between the watermark's time and now, in seconds, either way. Default 300; Infinity: no limit. */
  maxAge?: number
}

/** Seconds. */
const MAX_AGE = 300
/** Maximum base64 characters: WeChat's data has a few hundred. */
const LONGEST = 64 * 1024

/** The same error for every failure: it must not reveal how far a forged ciphertext was processed (padding oracle). */
const undecipherable = () => new WechatError('WECHAT_DECRYPT', 'data cannot be decrypted with this session key', {
  statusCode: 400,
  advice: 'The session key belongs to another session, because wx.login creates a new one. Call wx.checkSession, and wx.login if it fails, before the page requests the data, not after.',
  adviceZh: 'session_key 与加密数据不匹配：wx.login 会更新 session_key。页面取数据前先 wx.checkSession，必要时先登录再取，不要取完再登录。'
})

/**
 * @throws WechatInputError if a value is malformed; WechatError `WECHAT_DECRYPT` (400) if the data is from another session or
 * another mini program, or too old
 */
export function decryptOpenData<T extends object = OpenData> (appId: string, sessionKey: string, iv: string, data: string, { maxAge = MAX_AGE }: DecryptOptions = {}): T & { watermark: Watermark } {
  const key = Buffer.from(requireSessionKey(sessionKey), 'base64')
  if (typeof iv !== 'string' || !/^[0-9A-Za-z+/]{22}==$/.test(iv)) throw new WechatInputError('iv', 'must be 16 bytes in base64')
  if (typeof data !== 'string' || data === '' || data.length > LONGEST || data.length % 4 !== 0 || !/^[0-9A-Za-z+/]+={0,2}$/.test(data)) throw new WechatInputError('data', `must be base64, of at most ${LONGEST} characters`)
  if (typeof maxAge !== 'number' || !(maxAge > 0)) throw new WechatInputError('maxAge', 'must be a number of seconds above 0, or Infinity')
  const bytes = Buffer.from(data, 'base64')
  if (bytes.length % 16 !== 0) throw new WechatInputError('data', 'must be whole blocks of 16 bytes')

  const found = read(key, Buffer.from(iv, 'base64'), bytes)
  if (found === undefined) throw undecipherable()
  const { appid, timestamp } = found.watermark
  if (appid !== appId) throw new WechatError('WECHAT_DECRYPT', 'data is from another mini program', { statusCode: 400 })
  if (Math.abs(Date.now() / 1000 - timestamp) > maxAge) throw new WechatError('WECHAT_DECRYPT', `data is older than ${maxAge} seconds: the page must request it again`, { statusCode: 400 })
  return found as unknown as T & { watermark: Watermark }
}

function read (key: Buffer, iv: Buffer, bytes: Buffer): OpenData | undefined {
  try {
    const decipher = createDecipheriv('aes-128-cbc', key, iv)
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat([decipher.update(bytes), decipher.final()]))
    const value = parseJson(text) as OpenData
    const { appid, timestamp } = value.watermark
    return typeof appid === 'string' && typeof timestamp === 'number' && Number.isFinite(timestamp) ? value : undefined
  } catch {
    return undefined
  }
}
