/** Logs a warning once a day for each merchant certificate that expires within 30 days. */
import type { FastifyInstance } from 'fastify'
import { expiring } from '../src/pay/expiry.ts'
import type { WechatAccount } from './accounts.ts'

/** Milliseconds. */
const CHECK_INTERVAL = 3600_000
const DAY = 24 * CHECK_INTERVAL

export function watchExpiry (app: FastifyInstance, kept: () => Iterable<WechatAccount>): void {
  let warned = new Map<string, number>()

  function check (): void {
    const now = Date.now()
    // Remove entries older than a day: those warnings are due again.
    warned = new Map([...warned].filter(([, at]) => now - at < DAY))
    for (const { id, certificates } of kept()) {
      for (const { of, serialNo, validTo } of expiring(certificates, now)) {
        const key = `${of} ${serialNo} ${id}`
        if (warned.has(key)) continue
        warned.set(key, now)
        const days = Math.floor((validTo.getTime() - now) / DAY)
        app.log.warn({ account: id, certificate: of, serialNo, validTo, days }, 'fastify-wechat-pay: a merchant certificate expires soon: issue a new one in WeChat Pay\'s console (Account centre, API security)')
      }
    }
  }

  app.addHook('onReady', async () => check())
  const timer = setInterval(check, CHECK_INTERVAL).unref()
  app.addHook('onClose', async () => { clearInterval(timer) })
}
