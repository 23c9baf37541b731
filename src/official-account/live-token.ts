/** Makes a call with the shared token, and repeats it once with a new one if WeChat says that the token is invalid. */
import { WechatApiError } from '../errors.ts'
import { retry } from '../http/retry.ts'
import type { Credential } from './credential.ts'

const INVALID_TOKEN: ReadonlySet<string> = new Set(['40001', '40014', '42001'])
/** 61003: an account has withdrawn from its platform. Its own token is over, and fetching a new one gives the proper error; the platform's token is not. */
export const INVALID_TOKEN_OF_ACCOUNT: ReadonlySet<string> = new Set([...INVALID_TOKEN, '61003'])

export async function withLiveToken<T> (token: Pick<Credential, 'get' | 'invalidate'>, call: (token: string) => Promise<T>, codes = INVALID_TOKEN): Promise<T> {
  const isInvalidToken = (error: unknown) => error instanceof WechatApiError && codes.has(String(error.wechatCode))
  return await retry(async () => {
    const used = await token.get()
    return await call(used).catch(async (error: unknown) => {
      // Invalidate the second one too, so that the next caller does not use it.
      if (isInvalidToken(error)) await token.invalidate(used)
      throw error
    })
  }, { retries: 1, delay: 0, shouldRetry: isInvalidToken })
}
