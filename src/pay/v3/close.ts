/** Closing twice is fine: WeChat was seen to answer so; should it say that the order is closed, that is the same. */
import { WechatApiError } from '../../errors.ts'

const CLOSED = new Set(['ORDER_CLOSED', 'ORDERCLOSED'])

export async function closing (close: () => Promise<unknown>): Promise<void> {
  try {
    await close()
  } catch (error) {
    // What is not signed is a gateway's, and no fact about an order.
    if (!(error instanceof WechatApiError && error.signed && CLOSED.has(error.wechatCode ?? ''))) throw error
  }
}
