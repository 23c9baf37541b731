/** The shop in production mode with WeChat's own host names (redirected by `wechat-emulator exec`): a purchase, a restart, a graceful shutdown. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import t from 'tap'
import { readConfig } from '../../examples/shop/config.ts'
import { testEmulator } from '../helpers/account.ts'
import { freePort } from '../helpers/redis.ts'
import { root } from '../helpers/packed.ts'
import { unwatched } from '../helpers/unwatched.ts'

// Not the emulator's default keys, which are refused with WeChat's endpoints.
const KEYS = ['--app-id', 'wx0123456789abcdef', '--app-secret', 'c0ffee00c0ffee00c0ffee00c0ffee42', '--mch-id', '1900000109', '--api-v3-key', 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6']

async function openShop (t: { teardown (end: () => unknown): unknown }, dir: string, port: number) {
  const origin = `http://127.0.0.1:${port}`
  const line = ['--import', 'tsx', 'plugins/emulator/cli/cli.ts', 'exec', '--port', '0', '--data', join(dir, 'wechat'), '--time-scale', '0.01', ...KEYS, '--', process.execPath, '--import', 'tsx', 'examples/shop/main.ts']
  const env = { PATH: process.env.PATH, PORT: String(port), ORIGIN: origin, SESSION_SECRET: 's'.repeat(32), DATABASE: `file:${join(dir, 'shop.db')}` }
  const child = spawn('env', unwatched(process.execPath, line), { cwd: root, env, detached: true })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => { output += chunk })
  t.teardown(() => { if (child.exitCode === null) child.kill('SIGKILL') })
  while (!/Server listening/.test(output)) {
    if (child.exitCode !== null) throw new Error(output)
    await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), once(child, 'exit')])
  }
  return {
    origin,
    wechat: /http:\/\/127\.0\.0\.1:\d+(?=\/_emulator)/.exec(output)?.[0] as string,
    said: () => output,
    async stop () {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      return (await ended)[0] as number
    }
  }
}

t.test('after a restart, the order is still paid', async t => {
  const dir = t.testdir()
  const port = await freePort()
  const shop = await openShop(t, dir, port)
  const redirect = await fetch(`${shop.origin}/wechat/oauth/authorize?scope=snsapi_base&returnTo=/`, { redirect: 'manual' })
  const consent = String(redirect.headers.get('location'))
  t.match(consent, /^https:\/\/open\.weixin\.qq\.com\/connect\/oauth2\/authorize\?appid=wx0123456789abcdef&/)
  const allowed = await fetch(consent.replace('https://open.weixin.qq.com', shop.wechat), { redirect: 'manual' })
  const cookies = (reply: Response) => reply.headers.getSetCookie().map(cookie => cookie.split(';')[0]).join('; ')
  const back = await fetch(String(allowed.headers.get('location')), { redirect: 'manual', headers: { cookie: cookies(redirect) } })
  const cookie = /shop_session=[^;]+/.exec(cookies(back))?.[0] as string
  const post = async (path: string, body: object) => await (await fetch(shop.origin + path, { method: 'POST', headers: { cookie, 'content-type': 'application/json' }, body: JSON.stringify(body) })).json() as Record<string, string>
  const { outTradeNo } = await post('/orders', {})
  t.match(await post('/wechat/pay', { outTradeNo }), { signType: 'RSA', package: /^prepay_id=/ })
  t.equal((await fetch(`${shop.wechat}/_emulator/orders/${outTradeNo}/pay`, { method: 'POST' })).status, 200)
  const state = async () => await (await fetch(`${shop.origin}/orders/${outTradeNo}/state`, { headers: { cookie } })).json() as { paid: boolean }
  while (!(await state()).paid) await new Promise(resolve => setTimeout(resolve, 30))
  t.match(await (await fetch(`${shop.origin}/health`)).json(), { token: { storeReachable: true } })
  t.equal(await shop.stop(), 0, 'a graceful exit')
  t.notMatch(shop.said(), /c0ffee00c0ffee|a1B2c3D4e5/, 'E1')

  const again = await openShop(t, dir, port)
  t.match(await state(), { paid: true }, 'records and sessions survive a restart')
  t.equal(await again.stop(), 0)
})

t.test('environment variables are checked by name', async t => {
  const emulator = await testEmulator(t)
  const { v3 } = emulator.v3Config.merchant
  const keys = t.testdir({ 'apiclient_key.pem': v3.privateKey, 'apiclient_cert.pem': emulator.bothConfig.merchant.v2.cert, 'pub_key.pem': String(v3.publicKey) })
  const good = { ORIGIN: 'https://shop.test', SESSION_SECRET: 's'.repeat(32), WECHAT_APP_ID: 'wx1', WECHAT_APP_SECRET: 'a'.repeat(32), WECHAT_MCH_ID: '19', WECHAT_API_V3_KEY: 'b'.repeat(32), WECHAT_KEYS: keys, WECHAT_PUBLIC_KEY_ID: 'PUB_KEY_ID_1', TRUST_PROXY: 'true' }
  t.match(readConfig(good), { port: 3000, host: '127.0.0.1', database: 'file:shop.db', shop: { origin: 'https://shop.test', trustProxy: true, account: { merchant: { notifyUrl: 'https://shop.test/wechat/notify', v3: { publicKeyId: 'PUB_KEY_ID_1' } } } } })
  for (const [change, words] of [[{ ORIGIN: undefined }, /ORIGIN/], [{ ORIGIN: 'shop.test/x' }, /ORIGIN/], [{ PORT: 'x' }, /PORT/], [{ SESSION_SECRET: 'short' }, /SESSION_SECRET/], [{ WECHAT_KEYS: '/none' }, /apiclient_key\.pem/]] as const) {
    t.throws(() => readConfig({ ...good, ...change }), { message: words })
  }
  const example = parseEnv(readFileSync(join(root, 'examples/shop/.env.example'), 'utf8'))
  t.same(Object.keys(example).filter(name => !(name in { ...good, PORT: 1, HOST: 1, DATABASE: 1, REDIS_URL: 1 })), [], 'every variable in .env.example is read')
  for (const name of Object.keys(good)) t.ok(name in example, `.env.example contains ${name}`)
})
