/** The shop's orders in SQLite: price, buyer, payment. The source of truth. */
import { randomUUID } from 'node:crypto'
import { createClient } from '@libsql/client'
import type { Row } from '@libsql/client'
import type { Language } from './words.ts'

export interface ShopOrder {
  outTradeNo: string
  /** The product's title in each language. */
  title: Record<Language, string>
  /** The buyer's language when the order was placed: WeChat must always get the same description. */
  language: Language
  /** Integer fen. */
  amount: number
  openid: string
  /** Until then it can be paid. */
  expiresAt: Date
  paid?: { transactionId: string, at: Date }
  /** How often the payment was handled: always once, even if WeChat repeats the notification. */
  handled: number
}

export const PRODUCT = {
  title: { zh: '手冲咖啡豆 · 云南保山 227 克', en: 'Pour-over coffee beans, Yunnan, 227 g' },
  note: { zh: '中度烘焙，柑橘与红糖的味道', en: 'Medium roast, notes of citrus and brown sugar' },
  amount: 6800
}

const TABLE = `CREATE TABLE IF NOT EXISTS orders (
  out_trade_no TEXT PRIMARY KEY,
  title_zh TEXT NOT NULL,
  title_en TEXT NOT NULL,
  language TEXT NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  openid TEXT NOT NULL,
  placed_at INTEGER NOT NULL,
  transaction_id TEXT UNIQUE,
  paid_at INTEGER,
  handled INTEGER NOT NULL DEFAULT 0
)`

/** Unpaid orders expire after this many milliseconds; then the reconcile plugin closes them at WeChat. */
const PATIENCE = 30 * 60_000
/** How long unpaid orders are queried, in milliseconds; by then they are closed. */
const WATCHED = 86_400_000

/** `url`: `file:shop.db`, or `:memory:`. `now`: milliseconds, for tests. */
export async function createOrders (url = ':memory:', now = Date.now) {
  const db = createClient({ url })
  await db.execute(TABLE)

  return {
    async place (openid: string, language: Language): Promise<ShopOrder> {
      const placedAt = now()
      const order: ShopOrder = { outTradeNo: `S${randomUUID().replaceAll('-', '').slice(0, 27)}`, title: PRODUCT.title, language, amount: PRODUCT.amount, openid, expiresAt: expiryOf(placedAt), handled: 0 }
      await db.execute('INSERT INTO orders (out_trade_no, title_zh, title_en, language, amount, openid, placed_at) VALUES (?, ?, ?, ?, ?, ?, ?)', [order.outTradeNo, order.title.zh, order.title.en, language, order.amount, openid, placedAt])
      return order
    },
    async find (outTradeNo: string): Promise<ShopOrder | undefined> {
      const { rows: [row] } = await db.execute('SELECT * FROM orders WHERE out_trade_no = ?', [outTradeNo])
      return row && orderOf(row)
    },
    /** One atomic statement, so that a repeated handler run (after a crash) changes nothing. */
    async markPaid (outTradeNo: string, { transactionId, paidAt }: { transactionId: string, paidAt: Date }): Promise<void> {
      await db.execute('UPDATE orders SET transaction_id = ?, paid_at = ?, handled = handled + 1 WHERE out_trade_no = ? AND transaction_id IS NULL', [transactionId, paidAt.getTime(), outTradeNo])
    },
    /** For the reconcile plugin; oldest first. */
    async * unfinished () {
      const { rows } = await db.execute('SELECT out_trade_no, placed_at FROM orders WHERE transaction_id IS NULL AND placed_at > ? ORDER BY placed_at', [now() - WATCHED])
      for (const row of rows) yield { outTradeNo: String(row.out_trade_no), expiresAt: expiryOf(Number(row.placed_at)) }
    },
    close: () => db.close()
  }
}

const expiryOf = (placedAt: number) => new Date(placedAt + PATIENCE)

export type Orders = Awaited<ReturnType<typeof createOrders>>

function orderOf (row: Row): ShopOrder {
  return {
    outTradeNo: String(row.out_trade_no),
    title: { zh: String(row.title_zh), en: String(row.title_en) },
    language: row.language === 'en' ? 'en' : 'zh',
    amount: Number(row.amount),
    openid: String(row.openid),
    expiresAt: expiryOf(Number(row.placed_at)),
    ...(row.transaction_id !== null && { paid: { transactionId: String(row.transaction_id), at: new Date(Number(row.paid_at)) } }),
    handled: Number(row.handled)
  }
}
