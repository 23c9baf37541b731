/** What a function of the application provides instead of WeChat: a token, a ticket, a session. */
import { WechatError } from '../errors.ts'

/** `option`: the function's name. What it throws is not ours to word, and may hold a secret. @throws WechatError `WECHAT_PROVIDER` (503) */
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
