/** Paid and fulfilled orders in the shop's database (SQLite here), the source of truth. The queue only triggers the work. */
import { createClient } from '@libsql/client'

export interface PaidOrder {
  /** The notification's idempotencyKey. */
  key: string
  outTradeNo: string
  /** Integer fen. */
  amount: number
}

const TABLE = `CREATE TABLE IF NOT EXISTS paid (
  key TEXT PRIMARY KEY,
  out_trade_no TEXT NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  started INTEGER NOT NULL DEFAULT 0,
  fulfilled INTEGER NOT NULL DEFAULT 0
)`

/** `url`: `file:books.db`, shared by the server and its workers. */
export async function openBooks (url: string) {
  const db = createClient({ url })
  await db.execute('PRAGMA busy_timeout = 5000')
  await db.execute(TABLE)

  return {
    /** Idempotent: repeated notifications add one row. */
    async record ({ key, outTradeNo, amount }: PaidOrder): Promise<void> {
      await db.execute('INSERT INTO paid (key, out_trade_no, amount) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING', [key, outTradeNo, amount])
    },
    async unfulfilled (key: string): Promise<PaidOrder | undefined> {
      const { rows: [row] } = await db.execute('UPDATE paid SET started = started + 1 WHERE key = ? AND fulfilled = 0 RETURNING out_trade_no, amount', [key])
      return row && { key, outTradeNo: String(row.out_trade_no), amount: Number(row.amount) }
    },
    /** Keys of orders that are paid and not fulfilled. */
    async waiting (): Promise<string[]> {
      const { rows } = await db.execute('SELECT key FROM paid WHERE fulfilled = 0')
      return rows.map(row => String(row.key))
    },
    /** Everything that must happen exactly once belongs here, in one transaction. False if another run was first. */
    async fulfil (key: string): Promise<boolean> {
      const { rowsAffected } = await db.execute('UPDATE paid SET fulfilled = fulfilled + 1 WHERE key = ? AND fulfilled = 0', [key])
      return rowsAffected === 1
    },
    async look (outTradeNo: string): Promise<{ started: number, fulfilled: number } | undefined> {
      const { rows: [row] } = await db.execute('SELECT started, fulfilled FROM paid WHERE out_trade_no = ?', [outTradeNo])
      return row && { started: Number(row.started), fulfilled: Number(row.fulfilled) }
    },
    close: () => db.close()
  }
}

export type Books = Awaited<ReturnType<typeof openBooks>>
