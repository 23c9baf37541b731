/** The command `wechat-doctor`: input, output and exit codes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readSettings } from '../../plugins/doctor/settings.ts'
import { progressLine, textOf } from '../../plugins/doctor/text.ts'
import { USAGE } from '../../plugins/doctor/usage.ts'
import type { Diagnosis } from '../../src/index.ts'
import { healthy, SECRETS } from '../helpers/doctor.ts'
import type { Healthy } from '../helpers/doctor.ts'
import { root } from '../helpers/packed.ts'
import { skip, startRedis } from '../helpers/redis.ts'
import { unwatched } from '../helpers/unwatched.ts'

async function run (args: string[], env: Record<string, string> = {}, before: string[] = []) {
  const child = spawn('env', unwatched(process.execPath, ['--import', 'tsx', ...before, 'plugins/doctor/cli.ts', ...args]), { cwd: root, env: { PATH: process.env.PATH, LANG: 'en_US.UTF-8', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', chunk => { out += chunk })
  child.stderr.on('data', chunk => { err += chunk })
  const [code] = await once(child, 'close') as [number]
  return { code, out, err }
}

const hasSecret = (text: string) => /canary|emulator[0-9A-Za-z]{24}|PRIVATE KEY|BEGIN/.test(text)

/** A file that exports the options, including handler functions. */
function configFile (dir: string, options: Healthy['options'], change: object, more = '') {
  const { onLogin: _onLogin, onPayment: _onPayment, onRefund: _onRefund, expected: _expected, order: _order, unfinished: _unfinished, ...rest } = options
  const path = join(dir, 'wechat.mjs')
  writeFileSync(path, `const options = ${JSON.stringify({ ...rest, ...change })}
export default async () => ({ ...options, onLogin () {}, onPayment (payment, { idempotencyKey }) {}, expected () {}, order () {}, unfinished () {} })
${more}`)
  return path
}

t.test('a file of options', async t => {
  const { options, settings } = await healthy(t)
  const dir = t.testdir()
  const doctor = `export const doctor = ${JSON.stringify({ ca: settings.ca, shutdownTime: 8000 })}`
  const correct = await run(['--json', '--config', configFile(dir, options, {}, doctor)])
  t.equal(correct.code, 0, correct.out + correct.err)
  t.equal(correct.err, '')
  const diagnosis = JSON.parse(correct.out) as Diagnosis
  t.equal(diagnosis.ok, true)
  t.same(diagnosis.checks.filter(({ status }) => status !== 'passed' && status !== 'skipped'), [])

  const broken = await run(['--config', configFile(dir, options, { appSecret: SECRETS.apiKey }, doctor)])
  t.equal(broken.code, 1)
  t.match(broken.out, /✗ account\.token +appSecret is not this account's \[40125 [\w-]+\]\n +→ Resetting it invalidates the old one:/)
  t.match(broken.out, /\n\nSomething is broken: \d+ passed, 1 failed, 1 to review, \d+ skipped \(\d+\.\d s\)\n$/)
  t.notMatch(broken.out, '\x1b[', 'no colours without a terminal')
  t.equal(broken.err, '', 'and no progress')

  const chinese = await run(['--config', configFile(dir, options, {}, doctor), '--lang', 'zh', '--offline'])
  t.equal(chinese.code, 0)
  t.match(chinese.out, /✓ keys\.app-id +appId 格式正确/)
  t.match(chinese.out, /没有发现问题：\d+ 项通过，\d+ 项跳过/)
  for (const { out, err } of [correct, broken, chinese]) t.notOk(hasSecret(out + err))
})

t.test('the check cannot run', async t => {
  const dir = t.testdir({ 'empty.mjs': 'export const other = 1', 'broken.mjs': 'throw new Error(\'no such vault\\nsecond line\')', 'text.mjs': 'export const options = \'text\'' })
  for (const [args, env, words] of [
    [[], {}, /nothing to check: set WECHAT_APP_ID/],
    [['--lang', 'fr'], {}, /--lang must be en or zh/],
    [['--colour'], {}, /--colour/],
    [['--config', join(dir, 'none.mjs')], {}, /cannot read .*none\.mjs/],
    [['--config', join(dir, 'empty.mjs')], {}, /must export the options/],
    [['--config', join(dir, 'broken.mjs')], {}, /cannot read .*: no such vault\n$/],
    [['--config', join(dir, 'text.mjs')], {}, /must export the options/]
  ] as const) {
    const { code, out, err } = await run([...args], env)
    t.equal(code, 2, String(args))
    t.match(err, words)
    t.equal(out, '')
  }
})

t.test('help', async t => {
  const english = await run(['--help'])
  t.equal(english.code, 0)
  t.equal(english.out, `${USAGE.en}\n`)
  t.equal((await run(['-h'], { LC_ALL: 'zh_CN.UTF-8' })).out, `${USAGE.zh}\n`)
})

t.test('the environment, in the shop\'s names', async t => {
  const { emulator, options } = await healthy(t)
  const keys = join(t.testdir(), 'keys')
  mkdirSync(keys)
  const { cert, key } = options.merchant.v2 as { cert: string, key: string }
  const { publicKeyId, publicKey } = options.merchant.v3 as { publicKeyId: string, publicKey: string }
  writeFileSync(join(keys, 'apiclient_key.pem'), key, { mode: 0o600 })
  writeFileSync(join(keys, 'apiclient_cert.pem'), cert)
  writeFileSync(join(keys, 'pub_key.pem'), publicKey)
  const env = { WECHAT_APP_ID: emulator.account.appId, WECHAT_APP_SECRET: SECRETS.appSecret, WECHAT_MCH_ID: '1900000109', WECHAT_API_V3_KEY: SECRETS.apiV3Key, WECHAT_PUBLIC_KEY_ID: publicKeyId, WECHAT_KEYS: keys, ORIGIN: 'https://shop.example.com/' }
  const wrongOf = async (args: string[], env: Record<string, string>, before: string[] = []) => {
    const { out, err, code } = await run(['--json', ...args], env, before)
    t.equal(err, '')
    t.notOk(hasSecret(out))
    return { code, checks: (JSON.parse(out) as Diagnosis).checks, wrong: (JSON.parse(out) as Diagnosis).checks.filter(({ status }) => status === 'failed' || status === 'warning') }
  }
  const correct = await wrongOf(['--offline'], env)
  t.same(correct.wrong, [])
  t.equal(correct.code, 0)
  t.match(correct.checks.filter(({ id }) => id === 'keys.files' || id === 'keys.certificate' || id === 'server.notify-url'), [{ status: 'passed' }, { status: 'passed' }, { status: 'passed' }])
  chmodSync(join(keys, 'apiclient_key.pem'), 0o644)
  t.match((await wrongOf(['--offline'], env)).wrong, [{ id: 'keys.files', status: 'warning' }])
  t.match((await wrongOf(['--offline'], { WECHAT_APP_ID: env.WECHAT_APP_ID, WECHAT_MCH_ID: '1900000109', NODE_ENV: 'production' })).wrong.map(({ id }) => id), ['keys.app-secret', 'keys.v3-key', 'keys.private-key', 'server.notify-url'])
  const v2 = await wrongOf(['--offline'], { ...env, WECHAT_API_V3_KEY: '', WECHAT_API_KEY: SECRETS.apiKey, WECHAT_PUBLIC_KEY_ID: '' })
  t.same(v2.wrong.map(({ id }) => id), ['keys.files'])
  t.match(v2.checks.filter(({ id }) => id === 'keys.v2-key' || id === 'keys.private-key'), [{ status: 'passed' }, { status: 'skipped' }])

  // WeChat's host names, redirected to the emulator like by a company's TLS proxy: its CA is named.
  chmodSync(join(keys, 'apiclient_key.pem'), 0o600)
  const ca = join(keys, 'ca.pem')
  writeFileSync(ca, emulator.bothConfig.http.ca)
  const preload = join(keys, 'names.mjs')
  writeFileSync(preload, `import dns from 'node:dns/promises'
import { syncBuiltinESMExports } from 'node:module'
const { lookup } = dns
dns.lookup = async (name, options) => /weixin\\.qq\\.com$/.test(name) ? [{ address: '127.0.0.1', family: 4 }] : await lookup(name, options)
syncBuiltinESMExports()`)
  const redirected = await wrongOf([], { ...env, ORIGIN: '', NODE_EXTRA_CA_CERTS: ca, WECHAT_EMULATOR_SECURE_PORT: String(emulator.securePort) }, ['--import', preload, '--import', join(root, 'plugins/emulator/cli/static/redirect.js')])
  t.match(redirected.wrong, [{ id: 'server.tls', status: 'warning', message: /api\.weixin\.qq\.com presents a certificate of WeChat emulator CA.*intercepts the connection/ }, { id: 'server.notify-url', message: /missing/ }])
  t.equal(redirected.wrong.length, 2)
  t.match(redirected.checks.filter(({ id }) => id === 'v3.answer' || id === 'account.ticket'), [{ status: 'passed' }, { status: 'passed' }])
})

t.test('settings', { skip }, async t => {
  const server = await startRedis()
  t.teardown(server.stop)
  const env = { WECHAT_APP_ID: 'wx0123456789abcdef', WECHAT_APP_SECRET: SECRETS.appSecret }
  const { options, json, color, lang } = await readSettings([], { ...env, REDIS_URL: `redis://127.0.0.1:${server.port}`, LANG: 'zh_CN.UTF-8' }, true)
  const redis = options.redis as unknown as { disconnect (): void, ping (): Promise<string> }
  t.equal(await redis.ping(), 'PONG')
  redis.disconnect()
  t.same({ json, color, lang, merchant: options.merchant }, { json: false, color: true, lang: 'zh', merchant: undefined })
  t.equal((await readSettings([], { ...env, NO_COLOR: '1' }, true)).color, false)
  t.equal((await readSettings(['--offline'], { ...env, REDIS_URL: 'redis://127.0.0.1:1' }, true)).options.redis, undefined)
  const { cwd } = process
  t.teardown(() => { process.cwd = cwd })
  process.cwd = () => '/nowhere/at/all'
  await t.rejects(readSettings([], { ...env, REDIS_URL: 'redis://127.0.0.1:1' }, true), { message: /ioredis is not installed here/ })
  process.cwd = cwd
  const dir = t.testdir({ 'named.mjs': 'export const options = { appId: \'x\' }\nexport const doctor = { processes: 3 }' })
  t.match(await readSettings(['--config', join(dir, 'named.mjs'), '--lang', 'en'], {}, false), { options: { appId: 'x' }, settings: { processes: 3, offline: false, lang: 'en' } })
  t.match(await readSettings(['--help'], {}, false), { help: true })
  const keys = t.testdir({ keys: { 'apiclient_key.pem': 'the key', 'apiclient_cert.pem': 'the certificate' } })
  const whole = await readSettings(['--offline'], { ...env, WECHAT_MCH_ID: '1900000109', WECHAT_API_KEY: SECRETS.apiKey, WECHAT_API_V3_KEY: SECRETS.apiV3Key, WECHAT_SERIAL_NO: 'AB', WECHAT_PUBLIC_KEY_ID: 'PUB_KEY_ID_1', WECHAT_KEYS: join(keys, 'keys'), ORIGIN: 'https://shop.test/' }, false)
  t.match(whole.options, { origin: 'https://shop.test/', merchant: { mchId: '1900000109', notifyUrl: 'https://shop.test/wechat/notify', v2: { apiKey: SECRETS.apiKey, key: Buffer.from('the key') }, v3: { serialNo: 'AB', publicKeyId: 'PUB_KEY_ID_1', publicKey: '', certificate: Buffer.from('the certificate') } } })
  t.same(Object.keys(whole.settings.files ?? {}), ['apiclient_key.pem', 'apiclient_cert.pem'])
  t.match((await readSettings([], { WECHAT_MCH_ID: '1900000109' }, false)).options, { appId: '', appSecret: '', merchant: { v3: { apiV3Key: '', privateKey: '' } } })
  await t.rejects(readSettings(['--config', join(dir, 'none.mjs')], {}, false), { message: /cannot read/ })
  await t.rejects(readSettings(['--lang', 'fr'], {}, false), { message: /--lang/ })
  await t.rejects(readSettings([], {}, false), { message: /nothing to check/ })
})

t.test('text', t => {
  const diagnosis: Diagnosis = {
    ok: false,
    checks: [
      { id: 'keys.app-id', status: 'passed', message: 'fine', wechatCode: '0' },
      { id: 'keys.files', status: 'failed', message: 'bad', advice: 'mend it', wechatCode: 'X', requestId: 'r1' },
      { id: 'pay.app-id', status: 'warning', message: 'hm' },
      { id: 'redis.role', status: 'skipped', message: 'not looked at' }
    ]
  }
  const plain = textOf(diagnosis, { lang: 'en', color: false, seconds: 1.25 })
  t.equal(plain, `Keys
  ✓ keys.app-id  fine
  ✗ keys.files   bad [X r1]
                 → mend it

WeChat Pay v2
  ! pay.app-id   hm

Redis
  - redis.role   not looked at

Something is broken: 1 passed, 1 failed, 1 to review, 1 skipped (1.3 s)
`)
  const coloured = textOf(diagnosis, { lang: 'zh', color: true, seconds: 1 })
  t.match(coloured, '\x1b[1;31m✗\x1b[0m')
  t.match(coloured, /发现问题\x1b\[0m：1 项通过，1 项失败，1 项需留意，1 项跳过/)
  t.equal(progressLine({ done: 3, total: 9, id: 'v3.keys' }, 'en'), '\r\x1b[Kchecking 3/9  v3.keys')
  t.match(progressLine({ done: 3, total: 9, id: 'v3.keys' }, 'zh'), '检查中 3/9')
  t.end()
})
