/** `npm run bench -- accounts`: the cost of ten thousand accounts: memory, creation, tokens, and each request. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import { Pool } from 'undici'
import { jssdk } from '../plugins/jssdk.ts'
import { createAccounts } from '../src/accounts.ts'
import type { AccountOptions } from '../src/account.ts'
import { startRedis } from '../test/helpers/redis.ts'
import { measure, table } from './measure.ts'
import { startWorker } from './worker.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void
const MANY = 10_000

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })
/** Like a database row: its own strings, not shared with other rows. */
function row (id: string): AccountOptions {
  const text = (value: string) => Buffer.from(value).toString()
  return {
    appId: `wx${id}`,
    appSecret: randomBytes(16).toString('hex'),
    merchant: {
      mchId: `19${id.padStart(8, '0')}`,
      notifyUrl: `https://shop.example.com/wechat/${id}/notify`,
      v2: { apiKey: randomBytes(16).toString('hex') },
      v3: { serialNo: randomBytes(20).toString('hex'), privateKey: text(privateKey), apiV3Key: randomBytes(16).toString('hex'), publicKeyId: `PUB_KEY_ID_01${id}`, publicKey: text(publicKey) }
    }
  }
}
const heap = () => { gc(); gc(); const { heapUsed, external } = process.memoryUsage(); return heapUsed + external }

async function size (what: string, use: (account: Awaited<ReturnType<ReturnType<typeof createAccounts>['get']>>) => unknown, many = MANY): Promise<void> {
  const rows = Array.from({ length: many }, (_one, at) => row(String(at)))
  const accounts = createAccounts({ find: id => rows[Number(id)], max: many })
  await sleep(200)
  const before = heap()
  const cpu = process.cpuUsage()
  for (let at = 0; at < many; at++) use(await accounts.get(String(at)))
  const { user, system } = process.cpuUsage(cpu)
  console.log(`  ${what.padEnd(48)} ${((heap() - before) / many / 1024).toFixed(1).padStart(6)} kB ${((user + system) / 1000 / many).toFixed(3).padStart(8)} ms`)
  await accounts.close()
}

console.log(`One of ${MANY} accounts, besides its options (${(JSON.stringify(row('1')).length / 1024).toFixed(1)} kB of JSON): memory, and CPU time to create it`)
await size('found, and idle', () => {})
await size('with its token', account => account.token)
await size('with payments by v2 and v3, keys read', account => account.pay, 1000)

const issued = new Map<string, number>()
const wechat = createServer(async (request, reply) => {
  let body = ''
  for await (const chunk of request) body += chunk
  if (request.url!.startsWith('/cgi-bin/ticket')) return reply.end(JSON.stringify({ errcode: 0, ticket: 'f'.repeat(86), expires_in: 7200 }))
  const { appid } = JSON.parse(body) as { appid: string }
  issued.set(appid, (issued.get(appid) ?? 0) + 1)
  reply.end(JSON.stringify({ access_token: `token-of-${appid}`, expires_in: 7200 }))
}).listen(0, '127.0.0.1')
await new Promise(resolve => wechat.once('listening', resolve))
const api = `http://127.0.0.1:${(wechat.address() as AddressInfo).port}`

for (const [processes, callers, max] of [[1, 100, MANY], [4, 25, MANY], [4, 5, 1000]] as const) {
  const redis = await startRedis()
  issued.clear()
  const workers = await Promise.all(Array.from({ length: processes }, () => startWorker('accounts-worker.ts', { api, redisPort: redis.port, accounts: MANY, callers, max })))
  const rounds = max < MANY ? 2 : 1
  let wrong = 0
  let seconds = 0
  for (let round = 0; round < rounds; round++) {
    const answers = await Promise.all(workers.map(({ ask }) => ask<{ seconds: number, wrong: number }>(`round ${round}`)))
    for (const answer of answers) wrong += answer.wrong
    seconds += Math.max(...answers.map(answer => answer.seconds))
  }
  const twice = [...issued.values()].filter(count => count > 1).length
  console.log(`\n${processes} × ${MANY} accounts, ${callers} callers each in each process${max < MANY ? `, ${max} kept at a time, two passes` : ''}: ${issued.size} accounts got a token, ${twice} of them more than one, ${wrong} callers a wrong one; ${seconds.toFixed(1)} s`)
  const used = /used_memory:(\d+)/.exec(await redis.client().info('memory'))?.[1]
  console.log(`  Redis: ${await redis.client().dbsize()} keys, ${(Number(used) / 1024 / MANY).toFixed(2)} kB per account`)
  for (const { child } of workers) child.kill()
  await redis.stop()
}

const ours = Fastify()
const url = 'https://shop.example.com/product?id=1234&from=timeline'
await ours.register(jssdk, { prefix: '/wechat/:account', accounts: { find: async id => ({ ...row(id), endpoints: { api } }), max: MANY }, allowedHosts: ['shop.example.com'] })
const one = Fastify()
await one.register(jssdk, { appId: 'wx17', appSecret: row('17').appSecret!, endpoints: { api }, allowedHosts: ['shop.example.com'], prefix: '/wechat/17' })
const path = `/wechat/17/jssdk?url=${encodeURIComponent(url)}`
const answer = (await ours.inject(path)).body
const bare = Fastify()
bare.get('/wechat/:account/jssdk', async (_request, reply) => reply.type('application/json; charset=utf-8').header('cache-control', 'no-store').send(answer))

async function requests (name: string, app: typeof bare) {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const pool = new Pool(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, { connections: 20 })
  async function request (): Promise<void> {
    const { statusCode, body } = await pool.request({ method: 'GET', path })
    const text = await body.text()
    if (statusCode !== 200 || !text.includes('signature')) throw new Error(`${name} answered ${statusCode}`)
  }
  return { name, times: 1000, run: async (count: number) => { await Promise.all(Array.from({ length: count }, request)) } }
}

table('GET /wechat/:account/jssdk over HTTP, client and server in one process', await measure([
  await requests('a bare Fastify route, the same bytes', bare),
  await requests('one account of the options', one),
  await requests('one of many accounts', ours)
]))
process.exit()
