/** A minimal shop with this package (built, as installed): POST /wechat/pay, POST /wechat/notify. */
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import type { PayPluginOptions } from '../plugins/pay.ts'
import { answerQuestions, OPENID, shopOptions } from './sale-shop.ts'

const built = async <T>(file: string): Promise<T> => await import(new URL(`../dist/plugins/${file}`, import.meta.url).href) as T
const { pay } = await built<typeof import('../plugins/pay.ts')>('pay.js')
const { notify } = await built<typeof import('../plugins/notify.ts')>('notify.js')

const { config: { appId, merchant: { mchId, v2: { apiKey } }, endpoints: { api } }, redisPort, port } = shopOptions()
const redis = new Redis({ port: redisPort })
const app = Fastify()
// On a busy machine the emulator may take longer than WeChat does: that is not what is measured.
const options = { appId, redis, http: { timeout: 60_000 }, endpoints: { pay: api }, merchant: { mchId, notifyUrl: `http://127.0.0.1:${port}/wechat/notify`, v2: { apiKey } } }
const paid = new Set<string>()
const order: NonNullable<PayPluginOptions['order']> = request => ({ outTradeNo: (request.body as { outTradeNo: string }).outTradeNo, description: '咖啡', amount: 6800, openid: OPENID })
await app.register(pay, { ...options, order })
await app.register(notify, { ...options, expected: () => ({ amount: 6800, openid: OPENID }), onPayment: ({ outTradeNo }) => { paid.add(outTradeNo) } })
await app.listen({ port, host: '127.0.0.1' })
answerQuestions(port, paid)
