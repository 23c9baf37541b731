/** `npm run bench -- pool`: a thousand concurrent orders over TLS with several pool sizes, with and without the `ca` option. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import type { EmulatorConfig } from '../plugins/emulator/server/emulator.ts'
import type { HttpOptions } from '../src/http/http.ts'
import { createPay } from '../src/pay/pay.ts'
import { OPENID } from '../test/helpers/account.ts'
import { median } from './measure.ts'

// WeChat runs in a separate process, so that its CPU time is not counted.
const emulator = process.env.EMULATOR ? undefined : spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('../plugins/emulator/cli/cli.ts', import.meta.url)), '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
const origin = process.env.EMULATOR ?? /http:\/\/[\d.:]+/.exec(String((await once(emulator!.stdout, 'data'))[0]))![0]
const config = await (await fetch(`${origin}/_emulator/config`)).json() as EmulatorConfig
const { appId, endpoints, merchant: { mchId, v2 } } = config
const [sizes = '16,32,64,128', atOnce = '1000', rounds = '5', how = 'ca'] = process.argv.slice(2)

let number = Date.now() % 1e9
async function place (connections: number) {
  const http: HttpOptions = { ...(how === 'ca' && config.http), connections, timeout: 20_000, retries: 0 }
  const pay = createPay({ appId, merchant: { mchId, notifyUrl: 'http://127.0.0.1:1/n', v2 }, endpoints, http })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const cpu = process.cpuUsage()
  const started = performance.now()
  const done = await Promise.allSettled(Array.from({ length: Number(atOnce) }, () => pay.jsapi({ outTradeNo: `BP${String(++number).padStart(10, '0')}`, description: '咖啡', amount: 100, openid: OPENID })))
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpu)
  delay.disable()
  await pay.disconnect()
  return { failed: done.filter(({ status }) => status === 'rejected').length, seconds, cpu: (user + system) / 1000 / done.length, longest: delay.max / 1e6 }
}

await place(64)
console.log(`${atOnce} orders at once ${how === 'ca' ? 'with the ca option' : 'without the ca option'}, medians of ${rounds} rounds`)
for (const size of sizes.split(',').map(Number)) {
  const seen: Array<Awaited<ReturnType<typeof place>>> = []
  for (let round = 0; round < Number(rounds); round++) seen.push(await place(size))
  const of = (name: 'failed' | 'seconds' | 'cpu' | 'longest') => median(seen.map(one => one[name]))
  console.log(`  ${String(size).padStart(4)} connections: ${of('failed')} fail, ${of('seconds').toFixed(2)} s, ${of('cpu').toFixed(2)} ms of CPU each, event loop blocked for up to ${of('longest').toFixed(0)} ms`)
}
// Without `ca`, as in production with a public CA: Node.js reads extra CAs only at startup, so start a new process.
if (how === 'ca') {
  const file = `${mkdtempSync(join(tmpdir(), 'pool-'))}/ca.pem`
  writeFileSync(file, String(config.http.ca))
  spawnSync(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), sizes, atOnce, rounds, 'usual'], { stdio: 'inherit', env: { ...process.env, NODE_EXTRA_CA_CERTS: file, EMULATOR: origin } })
}
emulator?.kill()
process.exit()
