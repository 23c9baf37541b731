#!/usr/bin/env node
/** `wechat-emulator --port N`: the emulator by itself. */
import { parseArgs } from 'node:util'
import { createEmulator } from './emulator.ts'

const USAGE = `wechat-emulator: WeChat's side of Official Account pages and payments, on this machine

  --port N          default 8788; 0 takes a free one
  --host ADDRESS    default 127.0.0.1
  --time-scale X    multiplies the delays between notifications; 0.01 makes minutes of hours
  --app-id, --app-secret, --mch-id, --api-key
                    default: made up at each start
  --allow-production
                    and WECHAT_EMULATOR_IN_PRODUCTION=yes, where NODE_ENV is production`

const text = { type: 'string' } as const

try {
  const { values } = parseArgs({
    options: {
      port: text,
      host: text,
      'time-scale': text,
      'app-id': text,
      'app-secret': text,
      'mch-id': text,
      'api-key': text,
      'allow-production': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    console.log(USAGE)
  } else {
    await start(values)
  }
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}

async function start (values: Record<string, string | boolean | undefined>): Promise<void> {
  const given = (name: string) => values[name] as string | undefined
  const number = (name: string, fallback: number) => {
    const value = Number(given(name) ?? fallback)
    if (!(value >= 0)) throw new Error(`--${name} must be a number`)
    return value
  }
  const names = { 'app-id': 'appId', 'app-secret': 'appSecret', 'mch-id': 'mchId', 'api-key': 'apiKey' }
  const account = Object.fromEntries(Object.entries(names).flatMap(([flag, name]) => given(flag) ? [[name, given(flag)]] : []))
  const emulator = await createEmulator({
    ...account,
    port: number('port', 8788),
    host: given('host') ?? '127.0.0.1',
    timeScale: number('time-scale', 1),
    allowProduction: values['allow-production'] === true
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, emulator.close)
  console.log(`WeChat emulator on ${emulator.origin}

account, keys and endpoints (made up, for this emulator only): ${emulator.origin}/_emulator/config
orders:        ${emulator.origin}/_emulator/orders
notifications: ${emulator.origin}/_emulator/notifications
in your page:  <script src="${emulator.origin}/_emulator/bridge.js"></script>`)
}
