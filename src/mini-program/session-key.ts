/** The key that WeChat shares with a mini program's server for one visitor's session: 16 bytes, in base64. It must never reach the page. */
import { createHmac } from 'node:crypto'
import { WechatInputError } from '../errors.ts'

const SESSION_KEY = /^[0-9A-Za-z+/]{22}==$/

export const isSessionKey = (value: unknown): value is string => typeof value === 'string' && SESSION_KEY.test(value)

/** @throws WechatInputError without the value */
export function requireSessionKey (value: unknown): string {
  if (!isSessionKey(value)) throw new WechatInputError('sessionKey', 'must be a session_key of WeChat\'s: 16 bytes in base64')
  return value
}

/** A signature under the session key, in lower-case hex. The HMAC's key is the key's text, not what it encodes: WeChat's document "User login signature" has a worked example. */
export const signWithSession = (sessionKey: string, text: string): string => createHmac('sha256', sessionKey).update(text).digest('hex')
