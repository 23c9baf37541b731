/** Calls the application's providers, which return a token, a ticket or a session instead of WeChat. */
import { WechatError } from '../errors.ts'

/** `option`: the function's name. Its errors are not passed on, because they may contain secrets. @throws WechatError `WECHAT_PROVIDER` (503) */
export async function askProvider<T extends object> (option: string, ask: () => Promise<T>): Promise<T> {
  try {
    const answer = await ask()
    if (answer !== null && typeof answer === 'object') return answer
  } catch (error) {
    if (error instanceof WechatError) throw error
    throw new WechatError('WECHAT_PROVIDER', `${option} failed`, { statusCode: 503, retryable: true })
  }
  throw new WechatError('WECHAT_PROVIDER', `${option} returned nothing usable`, { statusCode: 503 })
}
