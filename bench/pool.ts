/** `npm run bench -- pool`: a thousand orders at once over TLS with a company's own authority, at several numbers of connections; without one, as in production. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import type { EmulatorConfig } from '../plugins/emulator/emulator.ts'
import type { HttpOptions } from '../src/http.ts'
import { createPay } from '../src/pay/pay.ts'
import { OPENID } from '../test/helpers/account.ts'
import { median } from './measure.ts'

// WeChat runs in a process of its own: its work must not be counted.
const emulator = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('../plugins/emulator/cli.ts', import.meta.url)), '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
const [line] = await once(emulator.stdout, 'data')
const origin = /http:\/\/[\d.:]+/.exec(String(line))![0]
const config = await (await fetch(`${origin}/_emulator/config`)).json() as EmulatorConfig
const { appId, endpoints, merchant: { mchId, v2 } } = config
console.log(endpoints, Object.keys(config.http ?? {}))

let number = 0
async function round (connections: number | undefined, atOnce: number) {
  const http: HttpOptions = { ...config.http, timeout: 20_000, retries: 0, ...(connections !== undefined && { connections }) }
  const pay = createPay({ appId, merchant: { mchId, notifyUrl: 'http://127.0.0.1:1/n', v2 }, endpoints, http })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const cpu = process.cpuUsage()
  const begun = performance.now()
  const done = await Promise.allSettled(Array.from({ length: atOnce }, () => pay.jsapi({ outTradeNo: `BP${String(++number).padStart(10, '0')}`, description: '咖啡', amount: 100, openid: OPENID })))
  const seconds = (performance.now() - begun) / 1000
  const { user, system } = process.cpuUsage(cpu)
  delay.disable()
  await (pay as { disconnect? (): Promise<void> }).disconnect?.()
  return { failed: done.filter(({ status }) => status === 'rejected').length, seconds, cpu: (user + system) / 1000 / atOnce, longest: delay.max / 1e6 }
}
const sizes = (process.argv[2] ?? 'none').split(',').map(size => size === 'none' ? undefined : Number(size))
const atOnce = Number(process.argv[3] ?? 1000)
const rounds = Number(process.argv[4] ?? 1)
for (const size of sizes) {
  const seen: Array<Awaited<ReturnType<typeof round>>> = []
  for (let at = 0; at < rounds; at++) seen.push(await round(size, atOnce))
  const of = (name: 'failed' | 'seconds' | 'cpu' | 'longest') => median(seen.map(one => one[name]))
  console.log(`${size ?? 'default'} connections, ${atOnce} at once: ${of('failed')} fail, ${of('seconds').toFixed(2)} s, ${of('cpu').toFixed(2)} ms of processor each, longest stall ${of('longest').toFixed(0)} ms`)
}
emulator.kill()
process.exit()
