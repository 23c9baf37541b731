/** The same shop on Express with tenpay: places orders, verifies notifications, and marks each order once per process. */
import { createRequire } from 'node:module'
import type { Server } from 'node:http'
import { answerQuestions, OPENID, shopOptions } from './sale-shop.ts'

interface Tenpay { urls: Record<string, string>, getPayParams (order: object): Promise<object>, middlewareForExpress (type: string): unknown }
interface Reply { json (value: object): void, reply (message: string): void, status (code: number): Reply }
interface Express { (): { post (path: string, ...handlers: unknown[]): void, listen (port: number, host: string, done: () => void): Server }, text (options: object): unknown, json (): unknown }

const require = createRequire(import.meta.url)
const express = require('express') as Express
const Client = require('tenpay') as new (config: object) => Tenpay
const { config, port } = shopOptions()
const { appId, merchant: { mchId, v2: { apiKey } }, endpoints: { api } } = config
const tenpay = new Client({ appid: appId, mchid: mchId, partnerKey: apiKey, notify_url: `http://127.0.0.1:${port}/wechat/notify`, spbill_create_ip: '127.0.0.1' })
for (const [name, url] of Object.entries(tenpay.urls)) tenpay.urls[name] = url.replace(/^https:\/\/[^/]+/, api)
const paid = new Set<string>()
const app = express()
app.post('/wechat/pay', express.json(), (request: { body: { outTradeNo: string } }, reply: Reply) => {
  tenpay.getPayParams({ out_trade_no: request.body.outTradeNo, body: '咖啡', total_fee: 6800, openid: OPENID })
    .then(params => reply.json(params), (error: Error) => reply.status(500).json({ message: error.message }))
})
app.post('/wechat/notify', express.text({ type: '*/*' }), tenpay.middlewareForExpress('pay'), (request: { weixin: { out_trade_no: string, total_fee: string } }, reply: Reply) => {
  if (request.weixin.total_fee !== '6800') return reply.reply('amount')
  paid.add(request.weixin.out_trade_no)
  reply.reply('')
})
await new Promise<void>(resolve => { app.listen(port, '127.0.0.1', resolve) })
answerQuestions(port, paid)
