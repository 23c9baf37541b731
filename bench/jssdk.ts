/** `npm run bench -- jssdk`: signing a page compared with the bare hash, and `GET /jssdk` compared with a bare route, each with a competitor. */
import { createHash, hash } from 'node:crypto'
import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { Pool } from 'undici'
import { jssdk } from '../plugins/jssdk.ts'
import { createEmulator } from '../plugins/emulator/server/emulator.ts'
import { jssdkConfig } from '../src/official-account/jssdk.ts'
import { measure, table } from './measure.ts'

interface Peer { generateSignature (url: string, accessToken: string, ticket: string): { nonceStr: string, timestamp: string, signature: string } }
interface Express { (): { get (path: string, handler: (request: { query: Record<string, string> }, reply: { json (answer: object): void }) => void): void, listen (port: number, host: string, done: () => void): Server } }

const require = createRequire(import.meta.url)
const { JSSDK: peer } = require('wechat-jssdk') as { JSSDK: Peer }
const express = require('express') as Express

const appId = 'wx0123456789abcdef'
const ticket = 'f'.repeat(86)
const url = 'https://shop.example.com/product?id=1234&from=timeline'
const finished = `jsapi_ticket=${ticket}&noncestr=0123456789abcdef0123456789abcdef&timestamp=1700000000&url=${url}`
const times = (count: number, call: () => unknown) => ({ times: count, run: (rounds: number) => { for (let at = 0; at < rounds; at++) call() } })
// The fastest hash function of this Node.js: newer versions hash short strings in one call.
const sha1 = hash ? (text: string) => hash('sha1', text) : (text: string) => createHash('sha1').update(text).digest('hex')

table('Sign a page, nonce and timestamp included', await measure([
  { name: 'the hash alone, of the finished text', ...times(5000, () => sha1(finished)) },
  { name: 'fastify-wechat-pay jssdkConfig', ...times(5000, () => jssdkConfig(appId, ticket, url)) },
  { name: 'wechat-jssdk 5.1 generateSignature', ...times(5000, () => peer.generateSignature(url, 'token', ticket)) }
]))

const emulator = await createEmulator()
const ours = Fastify()
await ours.register(jssdk, { ...emulator.config, allowedHosts: ['shop.example.com'] })
await ours.listen({ port: 0, host: '127.0.0.1' })
const path = `/wechat/jssdk?url=${encodeURIComponent(url)}`
const answer = (await ours.inject(path)).body

const bare = Fastify()
bare.get('/wechat/jssdk', async (_request, reply) => reply.type('application/json; charset=utf-8').header('cache-control', 'no-store').send(answer))
await bare.listen({ port: 0, host: '127.0.0.1' })

const other = express()
other.get('/wechat/jssdk', (request, reply) => reply.json({ appId, jsApiList: ['chooseWXPay'], ...peer.generateSignature(String(request.query.url), 'token', ticket) }))
const otherServer = await new Promise<Server>(resolve => { const server = other.listen(0, '127.0.0.1', () => resolve(server)) })

function requests (name: string, server: { address (): unknown }) {
  const pool = new Pool(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { connections: 20 })
  async function one (): Promise<void> {
    const { statusCode, body } = await pool.request({ method: 'GET', path })
    const text = await body.text()
    if (statusCode !== 200 || !text.includes('signature')) throw new Error(`${name} answered ${statusCode}`)
  }
  return { name, times: 1000, run: async (count: number) => { await Promise.all(Array.from({ length: count }, one)) } }
}

table('GET /jssdk over HTTP, client and server in one process', await measure([
  requests('a bare Fastify route, the same bytes', bare.server),
  requests('fastify-wechat-pay jssdk', ours.server),
  requests('Express 5 with wechat-jssdk 5.1', otherServer)
]))
process.exit()
