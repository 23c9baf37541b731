/** `npm run bench -- token`: the cost of reading a cached token, and how many tokens WeChat issues for many concurrent cold callers. */
import { mkdtempSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEmulator } from '../plugins/emulator/server/emulator.ts'
import { createAccessToken } from '../src/official-account/access-token.ts'
import { createRedisStore } from '../src/store/redis.ts'
import { startRedis } from '../test/helpers/redis.ts'
import { measure, table } from './measure.ts'

interface TokenApi { prefix: string, ensureAccessToken (): Promise<{ accessToken: string }> }
interface GlobalToken { prepareGlobalToken (): Promise<{ accessToken: string }> }

const require = createRequire(import.meta.url)
const CoWechatApi = require('co-wechat-api') as new (appId: string, secret: string) => TokenApi
const { JSSDK } = require('wechat-jssdk') as { JSSDK: new (options: object) => GlobalToken }

const redis = await startRedis()
const client = redis.client()

async function stage () {
  const emulator = await createEmulator()
  const { appId, appSecret } = emulator.config
  const ours = createAccessToken({ ...emulator.config, store: createRedisStore(client) })
  const coApi = new CoWechatApi(appId, appSecret)
  coApi.prefix = `${emulator.origin}/cgi-bin/`
  const jssdk = new JSSDK({
    appId,
    appSecret,
    accessTokenUrl: `${emulator.origin}/cgi-bin/token`,
    ticketUrl: `${emulator.origin}/cgi-bin/ticket/getticket`,
    storeOptions: { fileStorePath: join(mkdtempSync(join(tmpdir(), 'bench-')), 'store.json') }
  })
  return { emulator, ours, coApi, jssdk }
}

const CALLERS = 1000

console.log(`${CALLERS} cold callers in one process: tokens and tickets requested from WeChat`)
const crowds = {
  'fastify-wechat-pay, token and ticket': ({ ours }: Staged) => ours.ticket(),
  'co-wechat-api 3.11, token': ({ coApi }: Staged) => coApi.ensureAccessToken(),
  'wechat-jssdk 5.1, token and ticket': ({ jssdk }: Staged) => jssdk.prepareGlobalToken()
}
type Staged = Awaited<ReturnType<typeof stage>>
for (const [name, call] of Object.entries(crowds)) {
  const staged = await stage()
  const outcomes = await Promise.allSettled(Array.from({ length: CALLERS }, () => call(staged)))
  const { calls } = await staged.emulator.issued()
  const asked = calls.token! + calls.stable_token! + calls.getticket!
  console.log(`  ${name.padEnd(48)} ${String(asked).padStart(6)}   (${outcomes.filter(({ status }) => status === 'rejected').length} callers failed)`)
  await staged.emulator.close()
}

const { emulator, ours, coApi, jssdk } = await stage()
const variable = { token: await ours.get() }
await coApi.ensureAccessToken()
await jssdk.prepareGlobalToken()
await client.set('bench', variable.token)

const repeatedly = (call: () => unknown) => async (times: number) => { for (let at = 0; at < times; at++) await call() }
table('One hot read, awaited', await measure([
  { name: 'a variable', times: 20_000, run: repeatedly(() => variable.token) },
  { name: 'fastify-wechat-pay get()', times: 20_000, run: repeatedly(ours.get) },
  { name: 'co-wechat-api 3.11 ensureAccessToken()', times: 5000, run: repeatedly(() => coApi.ensureAccessToken()) },
  { name: 'wechat-jssdk 5.1 prepareGlobalToken()', times: 2000, run: repeatedly(() => jssdk.prepareGlobalToken()) },
  { name: 'Redis GET on loopback', times: 500, run: repeatedly(() => client.get('bench')) }
]))

await emulator.close()
await redis.stop()
// wechat-jssdk leaves a timer running.
process.exit()
