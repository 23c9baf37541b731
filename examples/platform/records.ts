/** The platform's database (SQLite): shops with their keys, and orders. In production, encrypt the keys or use a KMS. */
import { randomUUID } from 'node:crypto'
import { createClient } from '@libsql/client'
import type { WechatAccountOptions } from '../../plugins/namespaces.ts'

export interface Shop {
  id: string
  name: string
  /** The price of its only product, in fen. */
  price: number
  /** Its settings from WeChat's consoles; without an appSecret, the shop must authorize the platform. */
  wechat: WechatAccountOptions
}

export interface PlatformOrder { outTradeNo: string, shop: string, openid: string, amount: number, transactionId: string | undefined }

const TABLES = [
  'CREATE TABLE IF NOT EXISTS shops (id TEXT PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL CHECK (price > 0), wechat TEXT NOT NULL)',
  // Encrypt in production: with the platform's secret, a refresh token gives full access to the account.
  'CREATE TABLE IF NOT EXISTS authorizations (app_id TEXT PRIMARY KEY, refresh_token TEXT NOT NULL)',
  // Order numbers are unique per shop.
  'CREATE TABLE IF NOT EXISTS orders (shop TEXT NOT NULL, out_trade_no TEXT NOT NULL, openid TEXT NOT NULL, amount INTEGER NOT NULL, transaction_id TEXT, PRIMARY KEY (shop, out_trade_no))'
]

/** `url`: `file:platform.db`, or `:memory:`. */
export async function createRecords (url = ':memory:') {
  const db = createClient({ url })
  for (const table of TABLES) await db.execute(table)

  return {
    async shop (id: string): Promise<Shop | undefined> {
      const { rows: [row] } = await db.execute('SELECT * FROM shops WHERE id = ?', [id])
      return row && { id, name: String(row.name), price: Number(row.price), wechat: JSON.parse(String(row.wechat)) as WechatAccountOptions }
    },
    async saveShop ({ id, name, price, wechat }: Shop): Promise<void> {
      await db.execute('INSERT OR REPLACE INTO shops (id, name, price, wechat) VALUES (?, ?, ?, ?)', [id, name, price, JSON.stringify(wechat)])
    },
    async removeShop (id: string): Promise<void> {
      await db.execute('DELETE FROM shops WHERE id = ?', [id])
    },
    /** Replaces an older token: WeChat issues each refresh token once. */
    async saveRefreshToken (appId: string, refreshToken: string): Promise<void> {
      await db.execute('INSERT OR REPLACE INTO authorizations (app_id, refresh_token) VALUES (?, ?)', [appId, refreshToken])
    },
    async refreshTokenOf (appId: string): Promise<string | undefined> {
      const { rows: [row] } = await db.execute('SELECT refresh_token FROM authorizations WHERE app_id = ?', [appId])
      return row && String(row.refresh_token)
    },
    async removeRefreshToken (appId: string): Promise<void> {
      await db.execute('DELETE FROM authorizations WHERE app_id = ?', [appId])
    },
    async place (shop: Shop, openid: string): Promise<PlatformOrder> {
      const order = { outTradeNo: `P${randomUUID().replaceAll('-', '').slice(0, 27)}`, shop: shop.id, openid, amount: shop.price, transactionId: undefined }
      await db.execute('INSERT INTO orders (shop, out_trade_no, openid, amount) VALUES (?, ?, ?, ?)', [order.shop, order.outTradeNo, openid, order.amount])
      return order
    },
    async order (shop: string, outTradeNo: string): Promise<PlatformOrder | undefined> {
      const { rows: [row] } = await db.execute('SELECT * FROM orders WHERE shop = ? AND out_trade_no = ?', [shop, outTradeNo])
      return row && { outTradeNo, shop, openid: String(row.openid), amount: Number(row.amount), transactionId: row.transaction_id === null ? undefined : String(row.transaction_id) }
    },
    /** One atomic statement, so that a repeated handler run (after a crash) changes nothing. */
    async markPaid (shop: string, outTradeNo: string, transactionId: string): Promise<void> {
      await db.execute('UPDATE orders SET transaction_id = ? WHERE shop = ? AND out_trade_no = ? AND transaction_id IS NULL', [transactionId, shop, outTradeNo])
    },
    async * unfinished () {
      const { rows } = await db.execute('SELECT shop, out_trade_no FROM orders WHERE transaction_id IS NULL ORDER BY rowid')
      for (const row of rows) yield { account: String(row.shop), outTradeNo: String(row.out_trade_no) }
    },
    close: () => db.close()
  }
}

export type Records = Awaited<ReturnType<typeof createRecords>>
