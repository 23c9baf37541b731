/** Makes a call with the shared token, and repeats it once with a new one if WeChat says that the token is invalid. */
import { WechatApiError } from '../errors.ts'
import { retry } from '../http/retry.ts'
import type { Credential } from './credential.ts'

/** 61003: a platform's token for an account that has withdrawn; fetching a new token gives the proper error. */
const INVALID_TOKEN = new Set(['40001', '40014', '42001', '61003'])
const isInvalidToken = (error: unknown) => error instanceof WechatApiError && INVALID_TOKEN.has(String(error.wechatCode))

export async function withLiveToken<T> (token: Pick<Credential, 'get' | 'invalidate'>, call: (token: string) => Promise<T>): Promise<T> {
  return await retry(async () => {
    const used = await token.get()
    return await call(used).catch(async (error: unknown) => {
      // Invalidate the second one too, so that the next caller does not use it.
      if (isInvalidToken(error)) await token.invalidate(used)
      throw error
    })
  }, { retries: 1, delay: 0, shouldRetry: isInvalidToken })
}
