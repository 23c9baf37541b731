/** The merchant's private key stays in another process (a KMS, an HSM): `npx tsx examples/kms/main.ts`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import { createPay } from '../../src/index.ts'
import { startRemoteKey } from './remote-key.ts'

const emulator = await createEmulator()
const { merchant: { v3: { privateKey, serialNo, ...v3 }, mchId }, ...config } = emulator.config
const folder = mkdtempSync(join(tmpdir(), 'kms-'))
const keyFile = join(folder, 'apiclient_key.pem')
writeFileSync(keyFile, privateKey, { mode: 0o600 })
const key = await startRemoteKey(keyFile, serialNo)
rmSync(folder, { recursive: true })

const pay = createPay({ ...config, merchant: { mchId, notifyUrl: 'https://shop.example.com/wechat/notify', v3: { ...v3, privateKey: key } } })
const params = await pay.jsapi({ outTradeNo: 'KMS-0001', description: 'Coffee', amount: 1200, openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' })
console.log(`signed by the remote key: ${params.package}, signType ${params.signType}`)
await emulator.pay('KMS-0001')
const order = await pay.query({ outTradeNo: 'KMS-0001' })
console.log(`${order.outTradeNo}: ${order.state}`)

key.close()
await pay.disconnect()
await emulator.close()
