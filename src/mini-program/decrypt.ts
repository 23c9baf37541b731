/** What a mini program's page gets as `encryptedData`: AES-128-CBC under the session key. WeChat's document "Encrypted open data". */
import { createDecipheriv } from 'node:crypto'
import { WechatError, WechatInputError } from '../errors.ts'
import { parseJson } from '../json.ts'
import { requireSessionKey } from './session-key.ts'

export interface Watermark {
  appid: string
  /** Seconds since 1970: when the page asked for it. */
  timestamp: number
}

export type OpenData = Record<string, unknown> & { watermark: Watermark }

export interface DecryptOptions {
  /** Seconds that may lie between the watermark's time and now, either way. Default 300; Infinity: any. */
  maxAge?: number
}

/** Seconds. */
const MAX_AGE = 300
/** Characters of base64: WeChat's have some hundred. */
const LONGEST = 64 * 1024

/** One word for all of it: the answer must not show how far a forged ciphertext got. */
const undecipherable = () => new WechatError('WECHAT_DECRYPT', 'data cannot be read with this session key', {
  statusCode: 400,
  advice: 'The session key is another session\'s: wx.login makes a new one. Call wx.checkSession before the page asks for the data, and wx.login, if need be, before it and not after.',
  adviceZh: 'session_key 与加密数据不匹配：wx.login 会更新 session_key。页面取数据前先 wx.checkSession，必要时先登录再取，不要取完再登录。'
})

/**
 * @throws WechatInputError for what is malformed; WechatError `WECHAT_DECRYPT` (400) for what is of another session, another
 * mini program, or out of its time
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
  if (appid !== appId) throw new WechatError('WECHAT_DECRYPT', 'data is another mini program\'s', { statusCode: 400 })
  if (Math.abs(Date.now() / 1000 - timestamp) > maxAge) throw new WechatError('WECHAT_DECRYPT', `data is not of the last ${maxAge} seconds: ask the page for it anew`, { statusCode: 400 })
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
