/** A call with a token that all processes share: repeated once with another if WeChat says that this one is dead. */
import { WechatApiError } from '../errors.ts'
import { retry } from '../http/retry.ts'
import type { Credential } from './credential.ts'

/** 61003: a platform's token for an account that has withdrawn; asking for another tells. */
const DEAD_TOKEN = new Set(['40001', '40014', '42001', '61003'])
const saysDead = (error: unknown) => error instanceof WechatApiError && DEAD_TOKEN.has(String(error.wechatCode))

export async function withLiveToken<T> (token: Pick<Credential, 'get' | 'invalidate'>, call: (token: string) => Promise<T>): Promise<T> {
  return await retry(async () => {
    const used = await token.get()
    return await call(used).catch(async (error: unknown) => {
      // The second one too: the next caller shall not meet it again.
      if (saysDead(error)) await token.invalidate(used)
      throw error
    })
  }, { retries: 1, delay: 0, again: saysDead })
}
