/** Accounts and a clock for tests. */
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import type { CreateEmulatorOptions } from '../../plugins/emulator/server/emulator.ts'
import { systemClock } from '../../src/clock.ts'
import type { Clock } from '../../src/clock.ts'
import type { Log } from '../../src/log.ts'

/** Well-formed keys that belong to no account. */
export const ACCOUNT = {
  appId: 'wx0123456789abcdef',
  appSecret: 'c0ffee00c0ffee00c0ffee00c0ffee42',
  merchant: { mchId: '1900000109', notifyUrl: 'https://shop.test/wechat/notify', v2: { apiKey: 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6' } }
}

export const OPENID = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o'

/** An emulator that is closed after the test; `config`: v2, `v3Config`: v3, `bothConfig`: the emulator's own config. */
export async function testEmulator (t: { teardown (end: () => unknown): unknown }, options: CreateEmulatorOptions = {}) {
  const emulator = await createEmulator({ timeScale: 0.001, ...options })
  t.teardown(emulator.close)
  const { config: bothConfig } = emulator
  const { v2, v3, ...ids } = bothConfig.merchant
  return { ...emulator, bothConfig, config: { ...bothConfig, merchant: { ...ids, v2 } }, v3Config: { ...bothConfig, merchant: { ...ids, v3 } } }
}

/** A clock that only moves with `advance` or sleep. */
export function testClock () {
  let now = 1_000_000
  const clock: Clock & { pass (ms: number): void } = {
    now: () => now,
    pass: ms => { now += ms },
    async sleep (ms) {
      now += ms
      await new Promise(resolve => setImmediate(resolve))
    },
    every: systemClock.every
  }
  return clock
}

/** Collects log lines as text, as in a log file. */
export function testLog () {
  const lines: string[] = []
  const write = (level: string) => (details: object, message: string) => {
    const { err } = details as { err?: Error }
    lines.push(`${level} ${message} ${JSON.stringify({ ...details, ...(err && { err: { ...err, message: err.message, stack: err.stack } }) })}`)
  }
  const log: Log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  return { log, lines }
}
