/** `npm run bench -- v2`: signing, verifying, and handling a notification, compared with a baseline and competitors. */
import { createHash } from 'node:crypto'
import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { XMLParser } from 'fast-xml-parser'
import { Pool } from 'undici'
import { appId, apiKey, merchant, payment, signed } from '../test/helpers/notification.ts'
import { measure, processorTime, table } from './measure.ts'

interface Tenpay {
  _getSign (fields: object, type: string): string
  _parse (xml: string, type: string): Promise<object>
  middlewareForExpress (type: string): unknown
}
interface AxiosPlugin {
  Hash: { sign (type: string, fields: object, key: string): string, equals (one: string, other: string): boolean }
  Transformer: { toObject (xml: string): Record<string, string> }
}
interface Express { (): { use (handler: unknown): void, post (path: string, ...handlers: unknown[]): void, listen (port: number, host: string, done: () => void): Server }, text (options: object): unknown }

// The built package, as it is installed: what runs the sources here wraps each closure.
const built = async <T>(file: string): Promise<T> => await import(new URL(`../dist/${file}`, import.meta.url).href) as T
const { checkMerchant, readV2Notification, signV2 } = await built<typeof import('../src/index.ts')>('src/index.js')
const { notify } = await built<typeof import('../plugins/notify.ts')>('plugins/notify.js')

const require = createRequire(import.meta.url)
const tenpay = new (require('tenpay') as new (config: object) => Tenpay)({ appid: appId, mchid: merchant.mchId, partnerKey: apiKey, notify_url: 'x' })
const { Hash, Transformer } = require('wechatpay-axios-plugin') as AxiosPlugin
const express = require('express') as Express

const fields = payment()
const document = signed(fields)
const text = `${Object.keys(fields).sort().map(name => `${name}=${fields[name]}`).join('&')}&key=${apiKey}`
const bytes = Buffer.from(document)
const checked = checkMerchant(merchant, 'https://api.mch.weixin.qq.com').v2!
const parser = new XMLParser({ parseTagValue: false })

const times = (count: number, call: () => unknown) => ({ times: count, run: (rounds: number) => { for (let at = 0; at < rounds; at++) call() } })

table('Sign the sixteen fields of a notification, MD5', await measure([
  { name: 'the hash alone, of the finished text', ...times(5000, () => createHash('md5').update(text).digest('hex')) },
  { name: 'fastify-wechat-pay signV2', ...times(5000, () => signV2(fields, apiKey, 'MD5')) },
  { name: 'tenpay 2.1', ...times(5000, () => tenpay._getSign(fields, 'MD5')) },
  { name: 'wechatpay-axios-plugin 0.9', ...times(5000, () => Hash.sign('MD5', fields, apiKey)) }
], undefined, processorTime))

table(`Read and verify the notification (${bytes.length} bytes), its shape and grammar included`, await measure([
  { name: 'fast-xml-parser alone, nothing verified', ...times(1000, () => parser.parse(document)) },
  { name: 'fastify-wechat-pay readV2Notification', ...times(1000, () => readV2Notification(bytes, appId, checked)) },
  { name: 'tenpay 2.1', times: 500, run: async count => { for (let at = 0; at < count; at++) await tenpay._parse(document, 'middleware_pay') } },
  {
    name: 'wechatpay-axios-plugin 0.9',
    ...times(1000, () => {
      const { sign, ...rest } = Transformer.toObject(document)
      if (!Hash.equals(Hash.sign('MD5', rest, apiKey), sign as string)) throw new Error('not verified')
    })
  }
], undefined, processorTime))

// A complete delivery. Ours gets a new payment each time, because it deduplicates; competitors only verify and answer.
let number = 0n
const fresh = () => signed(payment({ transaction_id: `42000${String(++number).padStart(23, '0')}` }))
const documents = Array.from({ length: 50_000 }, fresh)
let next = 0

const bare = Fastify()
bare.removeAllContentTypeParsers()
bare.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
bare.post('/wechat/notify', async (_request, reply) => reply.type('text/xml').send('<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>'))
await bare.listen({ port: 0, host: '127.0.0.1' })

const ours = Fastify()
await ours.register(notify, { appId, merchant, onPayment: () => {} })
await ours.listen({ port: 0, host: '127.0.0.1' })

const peer = express()
peer.post('/wechat/notify', express.text({ type: '*/*' }), tenpay.middlewareForExpress('pay'), (_request: unknown, reply: { reply (message: string): void }) => reply.reply(''))
const peerServer = await new Promise<Server>(resolve => { const server = peer.listen(0, '127.0.0.1', () => resolve(server)) })

function deliveries (name: string, server: { address (): unknown }) {
  const pool = new Pool(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { connections: 20 })
  async function one (): Promise<void> {
    const { statusCode, body } = await pool.request({ method: 'POST', path: '/wechat/notify', headers: { 'content-type': 'text/xml' }, body: documents[next++ % documents.length]! })
    const answer = await body.text()
    if (statusCode !== 200 || !answer.includes('SUCCESS')) throw new Error(`${name} answered ${statusCode} ${answer}`)
  }
  return { name, times: 2000, run: async (count: number) => { await Promise.all(Array.from({ length: count }, one)) } }
}

table('A whole delivery over HTTP, client and server in one process', await measure([
  deliveries('a bare Fastify route, nothing read', bare.server),
  deliveries('fastify-wechat-pay notify', ours.server),
  deliveries('Express 5 with tenpay 2.1', peerServer)
], undefined, processorTime))
process.exit()
