/** component_verify_ticket: WeChat pushes one every ten minutes, valid for twelve hours. One process receives it, and all need it. */
import { WechatError } from '../errors.ts'
import { accountKey } from '../store/key.ts'
import type { Store } from '../store/store.ts'

/** Milliseconds. */
const LIFETIME = 12 * 3_600_000

export interface VerifyTicket {
  /** Resolves when it is stored. @throws WechatError `WECHAT_STORE` (503) */
  keep (ticket: string, createdAt: number): Promise<void>
  /** @throws WechatError `WECHAT_TICKET` (503) if no ticket arrived in the last twelve hours */
  get (): Promise<string>
}

interface Kept { ticket: string, createdAt: number }

export function createVerifyTicket (appId: string, store: Store): VerifyTicket {
  const key = accountKey(appId, 'verify_ticket')
  /** Used while the store is unavailable. */
  let last: Kept & { until: number } | undefined

  async function stored (): Promise<Kept | undefined> {
    const found = await store.read(key)
    return found && ticketIn(found.value)
  }

  return {
    async keep (ticket, createdAt) {
      // A delayed ticket must not replace a newer one.
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
      throw new WechatError('WECHAT_TICKET', 'no component_verify_ticket arrived from WeChat in the last twelve hours', {
        statusCode: 503,
        retryable: true,
        advice: 'WeChat pushes one every ten minutes to the authorization events URL of the platform (open.weixin.qq.com). Check that it points to .../open-platform/events, and that token and encodingAesKey match. startPushTicket() requests one.',
        adviceZh: '微信每十分钟向第三方平台的「授权事件接收 URL」推送一次：请检查该 URL 是否指向 .../open-platform/events，消息校验 Token 与加解密 Key 是否一致；也可调用 startPushTicket() 启动推送。'
      })
    }
  }
}

/** Undefined if it is not ours. */
function ticketIn (note: string): Kept | undefined {
  try {
    const { ticket, createdAt } = JSON.parse(note)
    if (typeof ticket === 'string' && typeof createdAt === 'number') return { ticket, createdAt }
  } catch { /* invalid data at our key */ }
  return undefined
}
