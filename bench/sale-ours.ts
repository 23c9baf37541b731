/** A shop of ours, as small as can be: POST /wechat/pay, POST /wechat/notify. */
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { notify } from '../plugins/notify.ts'
import { pay } from '../plugins/pay.ts'
import type { EmulatorConfig } from '../plugins/emulator/server/emulator.ts'

const { config, redisPort, port } = JSON.parse(process.argv[2] ?? '{}') as { config: EmulatorConfig, redisPort: number, port: number }
const { appId, merchant: { mchId, v2: { apiKey } }, endpoints: { api } } = config
const redis = new Redis({ port: redisPort })
const app = Fastify()
const options = { appId, redis, endpoints: { pay: api }, merchant: { mchId, notifyUrl: `http://127.0.0.1:${port}/wechat/notify`, v2: { apiKey } } }
const paid = new Set<string>()
const openid = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o'
await app.register(pay, { ...options, order: request => ({ outTradeNo: (request.body as { outTradeNo: string }).outTradeNo, description: '咖啡', amount: 6800, openid }) })
await app.register(notify, { ...options, expected: () => ({ amount: 6800, openid }), onPayment: ({ outTradeNo }) => { paid.add(outTradeNo) } })
await app.listen({ port, host: '127.0.0.1' })
const before = process.cpuUsage()
process.on('message', question => {
  const { user, system } = process.cpuUsage(before)
  process.send?.({ question, paid: paid.size, cpu: (user + system) / 1e6 })
})
process.send?.({ port })
