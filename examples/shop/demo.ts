/** `npm run demo`: the emulator and the shop. `--once`: makes one purchase without a browser; `--v3`: uses APIv3. */
import { parseArgs } from 'node:util'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import { onShutdown } from '../../plugins/emulator/cli/shutdown.ts'
import { createShop } from './shop.ts'
import { runPurchase } from './purchase-script.ts'

const { values } = parseArgs({ options: { once: { type: 'boolean' }, port: { type: 'string' }, 'emulator-port': { type: 'string' }, v3: { type: 'boolean' } } })

const emulator = await createEmulator({ port: Number(values['emulator-port'] ?? 0), appName: '山里咖啡 Mountain Coffee', merchantName: '山里咖啡 Mountain Coffee' })
// The notify_url needs the port before the shop listens.
const port = Number(values.port ?? (values.once ? 0 : 3000)) || await freePort()
const origin = `http://localhost:${port}`
const { merchant, ...account } = emulator.config
const shop = await createShop({
  account: {
    ...account,
    version: values.v3 ? 'v3' : 'v2',
    merchant: { ...merchant, notifyUrl: `${origin}/wechat/notify`, v2: { ...merchant.v2, signType: 'HMAC-SHA256' } }
  },
  origin,
  bridge: `${emulator.origin}/_emulator/bridge.js`
})

async function close () {
  await shop.app.close()
  await emulator.close()
}

try {
  await shop.app.listen({ port, host: 'localhost' }).catch((error: NodeJS.ErrnoException) => { throw new Error(`opening the shop: ${error.code === 'EADDRINUSE' ? `port ${port} is in use: stop what listens there, or choose another with --port N` : error.message}`) })
  if (values.once) {
    await runPurchase(emulator, shop, origin, line => console.log(line))
    await close()
  } else {
    console.log(`The shop is open: ${origin}/?lang=en  (中文：${origin}/?lang=zh)

Open it in any browser: log in (Allow), press Buy, pay at the cashier, and watch the order page turn to "Paid"
when the notification arrives. Nothing leaves this machine and no money moves.

What WeChat sees: ${emulator.origin}/_emulator/dashboard
Stop with Ctrl+C.`)
    onShutdown(() => { close().finally(() => process.exit()) })
  }
} catch (error) {
  console.error(`demo failed at ${(error as Error).message}`)
  process.exitCode = 1
  await close()
}

async function freePort (): Promise<number> {
  const { createServer } = await import('node:net')
  return await new Promise(resolve => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
