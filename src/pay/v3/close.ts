/** Closing twice is fine: WeChat accepts it. An answer that the order is already closed counts as success, too. */
import { WechatApiError } from '../../errors.ts'

const CLOSED = new Set(['ORDER_CLOSED', 'ORDERCLOSED'])

export async function closing (close: () => Promise<unknown>): Promise<void> {
  try {
    await close()
  } catch (error) {
    // An unsigned answer is a gateway's and proves nothing about an order.
    if (!(error instanceof WechatApiError && error.signed && CLOSED.has(error.wechatCode ?? ''))) throw error
  }
}
