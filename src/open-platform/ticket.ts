/** component_verify_ticket: WeChat pushes one every ten minutes, good for twelve hours; whichever process receives it, all need it. */
import { WechatError } from '../errors.ts'
import { accountKey } from '../store/key.ts'
import type { Store } from '../store/store.ts'

/** Milliseconds. */
const LIFETIME = 12 * 3_600_000

export interface VerifyTicket {
  /** Resolves once it is written. @throws WechatError `WECHAT_STORE` (503) */
  keep (ticket: string, createdAt: number): Promise<void>
  /** @throws WechatError `WECHAT_TICKET` (503) if WeChat has pushed none in the last twelve hours */
  get (): Promise<string>
}

interface Kept { ticket: string, createdAt: number }

export function createVerifyTicket (appId: string, store: Store): VerifyTicket {
  const key = accountKey(appId, 'verify_ticket')
  /** For the time in which the store is away. */
  let last: Kept & { until: number } | undefined

  async function stored (): Promise<Kept | undefined> {
    const found = await store.read(key)
    return found && ticketIn(found.value)
  }

  return {
    async keep (ticket, createdAt) {
      // One that was on its way for long must not replace a younger one.
      const before = await stored()
      if (before && before.createdAt > createdAt) return
      const age = Math.min(LIFETIME - 1, Math.max(0, Date.now() - createdAt * 1000))
      await store.set(key, JSON.stringify({ ticket, createdAt }), LIFETIME - age)
      last = { ticket, createdAt, until: performance.now() + LIFETIME - age }
    },

    async get () {
      const found = await stored().catch((error: unknown) => {
        if (last && performance.now() < last.until) return last
        throw error
      })
      if (found) return found.ticket
      throw new WechatError('WECHAT_TICKET', 'WeChat has pushed no component_verify_ticket in the last twelve hours', {
        statusCode: 503,
        retryable: true,
        advice: 'WeChat pushes one every ten minutes to the authorization events URL of the platform (open.weixin.qq.com): does it point at .../open-platform/events, and do token and encodingAesKey match? startPushTicket() asks for it.',
        adviceZh: '微信每十分钟向第三方平台的「授权事件接收 URL」推送一次：请检查该 URL 是否指向 .../open-platform/events，消息校验 Token 与加解密 Key 是否一致；也可调用 startPushTicket() 启动推送。'
      })
    }
  }
}

/** Undefined for what none of our processes wrote. */
function ticketIn (note: string): Kept | undefined {
  try {
    const { ticket, createdAt } = JSON.parse(note)
    if (typeof ticket === 'string' && typeof createdAt === 'number') return { ticket, createdAt }
  } catch { /* rubbish at our key */ }
  return undefined
}
