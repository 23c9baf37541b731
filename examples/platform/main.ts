/** `npx tsx examples/platform/main.ts`: an emulator with two accounts, and a platform with a shop for each: one provides its keys, the other authorizes the platform. */
import { randomBytes } from 'node:crypto'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import { createPlatform } from './platform.ts'
import { createRecords } from './records.ts'

const port = Number(process.env.PORT ?? 3000)
const origin = `http://localhost:${port}`
const adminKey = process.env.ADMIN_KEY ?? randomBytes(24).toString('hex')
const emulator = await createEmulator({ accounts: [{ name: 'tea' }, { name: 'coffee' }], component: true })
const records = await createRecords()
const { openPlatformConfig: component } = emulator
const app = await createPlatform({ records, origin, adminKey, ...(component && { component }), sessionSecret: randomBytes(32).toString('hex'), bridge: shop => `${emulator.origin}/${shop}/_emulator/bridge.js` })
await app.listen({ port, host: 'localhost' })
await emulator.setComponentUrl(`${origin}/wechat/open-platform/events`)

for (const [id, name, price] of [['tea', 'Tea House', 3200], ['coffee', 'Mountain Coffee', 6800]] as const) {
  const { config: { appSecret, ...rest } } = emulator.named(id)
  // The second shop does not share its appSecret.
  const config = { ...rest, ...(id === 'tea' && { appSecret }) }
  await fetch(`${origin}/admin/shops/${id}`, { method: 'PUT', headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' }, body: JSON.stringify({ name, price, wechat: config }) })
  console.log(`${name}: ${origin}/s/${id}`)
}
console.log(`Mountain Coffee's owner authorizes the platform first: ${origin}/wechat/open-platform/authorize?returnTo=/s/coffee`)
console.log(`Shops are managed at ${origin}/admin/shops/<id> (PUT, DELETE) with "Authorization: Bearer ${adminKey}". Stop with Ctrl+C.`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await app.close()
    await emulator.close()
  })
}
