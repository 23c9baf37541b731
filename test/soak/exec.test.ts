/** `wechat-emulator exec` with an application that uses this library: the emulator's keys, WeChat's endpoints. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../helpers/packed.ts'
import { unwatched } from '../helpers/unwatched.ts'

const APP = `
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread, Worker } from 'node:worker_threads'
import Fastify from 'fastify'
import wechatPay from ${JSON.stringify(join(root, 'plugins/wechat-pay.ts'))}

const { WECHAT_APP_ID: appId, WECHAT_APP_SECRET: appSecret, WECHAT_MCH_ID: mchId, WECHAT_API_KEY: apiKey, WECHAT_API_V3_KEY: apiV3Key, WECHAT_PUBLIC_KEY_ID: publicKeyId, WECHAT_KEYS: keys } = process.env
const file = name => readFileSync(join(keys, name))
const merchant = {
  mchId,
  notifyUrl: 'http://127.0.0.1:1/wechat/notify',
  v2: { apiKey, cert: file('apiclient_cert.pem'), key: file('apiclient_key.pem') },
  v3: { apiV3Key, privateKey: file('apiclient_key.pem'), certificate: file('apiclient_cert.pem'), publicKeyId, publicKey: file('pub_key.pem') }
}
const app = Fastify()
for (const version of ['v2', 'v3']) await app.register(wechatPay, { appId, appSecret, merchant, version, namespace: version })
await app.ready()
const result = { env: process.env.NODE_ENV, token: (await app.wechatToken.v2.get()).length > 10 }
for (const version of ['v2', 'v3']) {
  const pay = app.wechatPay[version]
  const outTradeNo = 'EXEC-' + version + (isMainThread ? '-main' : '-worker')
  result[version] = (await pay.jsapi({ outTradeNo, description: 'x', amount: 1, openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' })).package.startsWith('prepay_id=')
  // With the merchant's certificate, on a separate connection to the emulator.
  result[version + ' refund'] = await pay.refund({ outTradeNo, outRefundNo: outTradeNo, amount: 1, total: 1 }).catch(error => error.wechatCode)
}
console.log(JSON.stringify(result))
await app.close()
if (isMainThread) new Worker(new URL('./worker.mjs', import.meta.url))
`

/** Worker threads need tsx registered explicitly. */
const WORKER = `
import { register } from 'tsx/esm/api'
register()
await import('./app.ts')
`

t.test('places orders in both versions, also with NODE_ENV=production and in a worker thread', async t => {
  const dir = t.testdir({ 'app.ts': APP, 'worker.mjs': WORKER })
  const app = [process.execPath, '--import', 'tsx', join(dir, 'app.ts')]
  const exec = (command: string[], env: object = {}) => spawnSync('env', unwatched(process.execPath, ['--import', 'tsx', 'plugins/emulator/cli/cli.ts', 'exec', '--port', '0', '--data', join(dir, 'wechat'), '--', ...command]), { cwd: root, encoding: 'utf8', timeout: 100_000, env: { PATH: process.env.PATH, ...env } })
  const { stdout, stderr, status } = exec(['env', 'NODE_ENV=production', ...app])
  t.equal(status, 0, stderr)
  const results = stdout.trim().split('\n').map(line => JSON.parse(line) as object)
  const expected = { env: 'production', token: true, v2: true, 'v2 refund': /^[A-Z_]+$/, v3: true, 'v3 refund': /^[A-Z_]+$/ }
  t.match(results, [expected, expected], 'refunding an unpaid order is refused by WeChat')

  // exec's environment variables alone must not allow emulator keys: if they leak elsewhere, such keys would be sent to WeChat.
  const leaked = exec([process.execPath, '-e', `
    const { NODE_OPTIONS, ...env } = process.env
    const { status, stderr } = require('node:child_process').spawnSync(${JSON.stringify(app[0])}, ${JSON.stringify(app.slice(1))}, { env, encoding: 'utf8' })
    console.log(status, stderr)`])
  t.match(leaked.stdout, /^1 [^]*option \S+ is an emulator's key, but the endpoints are WeChat's own/)
})
