/** The shop's own records: what an order costs and who ordered it. A real shop keeps them in its database. */
import { randomUUID } from 'node:crypto'

export interface ShopOrder {
  outTradeNo: string
  title: string
  /** Integer fen. */
  amount: number
  openid: string
  paid?: { transactionId: string, at: Date }
  /** How often the payment was handled: one, whatever WeChat sends. */
  handled: number
}

export const PRODUCT = {
  title: { zh: '手冲咖啡豆 · 云南保山 227 克', en: 'Pour-over coffee beans, Yunnan, 227 g' },
  note: { zh: '中度烘焙，柑橘与红糖的味道', en: 'Medium roast, notes of citrus and brown sugar' },
  amount: 6800
}

export function createOrders () {
  const orders = new Map<string, ShopOrder>()
  return {
    place (openid: string): ShopOrder {
      const order = { outTradeNo: `S${randomUUID().replaceAll('-', '').slice(0, 27)}`, title: PRODUCT.title.zh, amount: PRODUCT.amount, openid, handled: 0 }
      orders.set(order.outTradeNo, order)
      return order
    },
    find: (outTradeNo: string) => orders.get(outTradeNo)
  }
}
