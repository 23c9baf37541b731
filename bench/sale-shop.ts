/** Shared by the shops of `sale.ts`: their configuration and reports. */
import type { EmulatorConfig } from '../plugins/emulator/server/emulator.ts'

export interface ShopOptions {
  config: EmulatorConfig
  redisPort: number
  port: number
  /** The numbers of the orders it will place. */
  numbers: string[]
}

export const OPENID = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o'

/** `firstNumber` and `count` instead of a list, which would be too long for a command line. */
export function shopOptions (): ShopOptions {
  const { count, firstNumber, ...options } = JSON.parse(process.argv[2] ?? '{}') as Omit<ShopOptions, 'numbers'> & { firstNumber: number, count: number }
  return { ...options, numbers: Array.from({ length: count }, (_none, at) => orderNumber(firstNumber + at)) }
}

export const orderNumber = (number: number) => `SALE${String(number).padStart(8, '0')}`

const TAG = '<out_trade_no><![CDATA['

/** Searched in the body, without parsing it. */
export function numberOf (body: Buffer): string {
  const from = body.indexOf(TAG) + TAG.length
  return body.toString('latin1', from, body.indexOf(']', from))
}

export function answerQuestions (port: number, paid: ReadonlySet<string>): void {
  process.on('message', question => {
    const { user, system } = process.cpuUsage()
    process.send?.({ question, paid: paid.size, cpu: (user + system) / 1e6 })
  })
  // The driver is gone: it failed, perhaps.
  process.on('disconnect', () => process.exit())
  process.send?.({ port })
}
