/** O1: an unknown, misspelt or malformed option of any plugin stops registration and is named. */
import Fastify from 'fastify'
import t from 'tap'
import * as pieces from '../../plugins/wechat-pay.ts'
import { createEmulator, emulator } from '../../plugins/emulator/server/emulator.ts'
import { OPEN_PLATFORM, OPTIONS } from '../../plugins/option-shapes.ts'
import { createAccessToken, createMiniProgram, createOAuth, createPay } from '../../src/index.ts'
import type { PayOptions } from '../../src/index.ts'
import { ACCOUNT, OPENID, testEmulator } from '../helpers/account.ts'
import { PLATFORM } from '../helpers/push.ts'

const REQUIRED = { ...ACCOUNT, onPayment () {}, unfinished: () => [] }
type Piece = keyof typeof OPTIONS
const NAMES = Object.keys(OPTIONS) as Piece[]

async function register (piece: Piece, options: object) {
  const app = Fastify()
  app.register(pieces[piece === 'wechatPay' ? 'default' : piece] as typeof pieces.reconcile, { every: 0, ...REQUIRED, ...options } as never)
  try {
    await app.ready()
  } catch (error) {
    return error as Error & { option?: string }
  } finally {
    await app.close()
  }
}

t.test('O1 unknown names, with suggestions', async t => {
  for (const [given, message] of [
    [{ onPayement () {} }, 'option onPayement is unknown: did you mean onPayment?'],
    [{ onpayment () {} }, 'option onpayment is unknown: did you mean onPayment?'],
    [{ on_payment () {} }, 'option on_payment is unknown: did you mean onPayment?'],
    [{ apSecret: 'x' }, 'option apSecret is unknown: did you mean appSecret?'],
    [{ mchid: '1' }, 'option mchid is unknown: did you mean merchant.mchId?'],
    [{ notifyURL: 'x' }, 'option notifyURL is unknown: did you mean merchant.notifyUrl?'],
    [{ unfinsihed: () => [] }, 'option unfinsihed is unknown: did you mean unfinished?'],
    [{ onPayement: undefined }, 'option onPayement is unknown: did you mean onPayment?'],
    [{ somethingElse: 1 }, 'option somethingElse is unknown'],
    [{ http: { timout: 1 } }, 'option http.timout is unknown: did you mean http.timeout?'],
    [{ endpoints: { payBackUp: 'http://x' } }, 'option endpoints.payBackUp is unknown: did you mean endpoints.payBackup?'],
    [{ merchant: { ...ACCOUNT.merchant, mchID: '1' } }, 'option merchant.mchID is unknown: did you mean merchant.mchId?'],
    [{ merchant: { ...ACCOUNT.merchant, apiKey: '1' } }, 'option merchant.apiKey is unknown: did you mean merchant.v2.apiKey?'],
    [{ merchant: { ...ACCOUNT.merchant, v2: { apikey: '1' } } }, 'option merchant.v2.apikey is unknown: did you mean merchant.v2.apiKey?'],
    [{ merchant: { ...ACCOUNT.merchant, v3: { serial_no: '1' } } }, 'option merchant.v3.serial_no is unknown: did you mean merchant.v3.serialNo?'],
    [JSON.parse('{ "__proto__": 1 }'), 'option __proto__ is unknown'],
    [{ constructor: 1 }, 'option constructor is unknown'],
    [{ 'a\nb': 1 }, 'option a?b is unknown']
  ] as const) {
    // Members of objects are checked by the plugins that use them.
    for (const piece of 'merchant' in given ? ['wechatPay', 'pay', 'notify', 'reconcile'] as const : NAMES) {
      t.match(await register(piece, given), { code: 'WECHAT_CONFIG', message: `fastify-wechat-pay: ${message}` }, `${piece}: ${message}`)
    }
  }
})

t.test('O1 one options object can serve several plugins; Fastify\'s own options are accepted', async t => {
  const common = { ...ACCOUNT, onLogin () {}, order: () => ({ outTradeNo: 'O-1', description: 'x', amount: 1, openid: OPENID }), allowedHosts: ['shop.test'], onPayment () {}, unfinished: () => [], every: 0 }
  const app = Fastify()
  t.teardown(() => app.close())
  for (const piece of ['token', 'oauth', 'jssdk', 'miniProgram', 'pay', 'notify', 'reconcile'] as const) await app.register(pieces[piece] as typeof pieces.reconcile, common)
  await app.ready()
  t.ok(app.hasRoute({ method: 'POST', url: '/wechat/notify' }))
  for (const piece of NAMES) t.equal(await register(piece, { prefix: '/x', logLevel: 'warn', logSerializers: {} }), undefined, piece)
  const lines: string[] = []
  const quiet = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => quiet.close())
  await quiet.register(pieces.jssdk, { ...ACCOUNT, logLevel: 'silent' })
  await quiet.inject('/wechat/jssdk')
  t.same(lines, [], 'logLevel is applied')
})

/** Invalid values of each option; errors must name the option and not show the value. */
const WRONG: Record<string, unknown[]> = {
  appId: ['', 5, 'wx 1', null],
  appSecret: ['', 5, 'short', 'your-32-character-app-secret-xxx'],
  tokenMode: ['stabel', true],
  tokenProvider: ['https://tokens.test', {}],
  ticketProvider: ['https://tokens.test', {}],
  sessionProvider: ['https://sessions.test', {}],
  component: ['x', {}, { appId: 'wx1' }],
  accounts: ['x', []],
  'accounts.find': ['x', {}],
  'accounts.of': ['params.id'],
  'accounts.ofNotification': ['params.id'],
  'accounts.max': ['10', 0, 1.5, NaN],
  'accounts.maxAge': ['300', 0, -1, NaN],
  redis: ['redis://127.0.0.1', null, 5],
  encryptionKey: ['short', 5, new Uint8Array(16)],
  prefix: ['mountpoint', '/a?b', '/a b', 5],
  namespace: ['a/b', '', '../x', '__proto__', 5],
  preHandler: ['x', {}, [async () => {}, 'x']],
  routeConfig: ['x', 5, []],
  logLevel: [5, ''],
  logSerializers: ['x'],
  endpoints: ['https://x', null, []],
  'endpoints.api': ['api.weixin.qq.com', 5, 'ftp://x', 'https://x/?a=1', 'https://u:p@x'],
  'endpoints.open': ['/x'],
  'endpoints.mp': ['mp.weixin.qq.com'],
  'endpoints.pay': [null],
  'endpoints.payBackup': ['x'],
  http: ['x', []],
  'http.timeout': ['5s', 0, -1, NaN, Infinity, '5000'],
  'http.retries': ['1', -1, 1.5, NaN],
  'http.dispatcher': ['http://proxy', {}],
  'http.ca': ['nonsense', 5, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', ''],
  'http.ca[0]': [['nonsense']],
  'http.proxy': ['proxy:3128', 5, 'environment', 'socks5://x'],
  'http.connections': [0, '10', 1.5],
  merchant: ['x', null, []],
  'merchant.mchId': ['', 1900000109, 'x'],
  'merchant.notifyUrl': ['/notify', 'https://x/?a=1', 5],
  'merchant.appIds': ['wx1', {}],
  'merchant.appIds[0]': [[5]],
  'merchant.subMchId': [5, 'x'],
  'merchant.subAppId': [5],
  'merchant.v2': ['x'],
  'merchant.v2.apiKey': ['short', 5],
  'merchant.v2.signType': ['sha256', 5],
  'merchant.v2.sandbox': ['yes'],
  'merchant.v2.pfx': ['x'],
  'merchant.v2.passphrase': [5],
  'merchant.v2.cert': [5],
  'merchant.v2.key': [5],
  'merchant.v3': ['x'],
  'merchant.v3.privateKey': [5, 'x'],
  'merchant.v3.serialNo': [5],
  'merchant.v3.certificate': [5],
  'merchant.v3.apiV3Key': [5],
  'merchant.v3.publicKeyId': [5],
  'merchant.v3.publicKey': [5],
  version: ['v4', 3],
  order: ['x', {}],
  product: ['x'],
  onLogin: ['x', true],
  onMiniProgramLogin: ['x', {}],
  onSnapshotUser: ['x'],
  onRefuse: ['x'],
  scope: ['userinfo ', 5],
  origin: ['shop.mine.test', 'https://shop.mine.test/path', 'https://shop.mine.test/?a=1', 'https://shop.mine.test#x', 'https://u:p@shop.mine.test', 'https:shop.mine.test', 'https://shop.mine.test /', 'ftp://shop.mine.test', 5],
  defaultReturnTo: ['home', '//evil.test', 'javascript:alert(1)', 5],
  secureCookie: ['yes', 1],
  allowedHosts: ['shop.test', {}],
  'allowedHosts[0]': [['https://shop.test'], ['shop.test/path'], ['*.shop.test'], [''], [5]],
  jsApiList: ['chooseWXPay', {}],
  'jsApiList[1]': [['chooseWXPay', 5]],
  openTagList: ['wx-open-launch-app'],
  debug: ['yes'],
  onPayment: ['x'],
  onRefund: [{}],
  expected: [{}],
  onMismatch: [5],
  handlerTimeout: ['4s', 0, 6000, NaN],
  handlerLimit: ['10m', 0, -1, NaN, Infinity],
  remember: ['7d', 0, -1, NaN, Infinity],
  storeAway: ['ignore', true],
  unfinished: ['x', []],
  every: ['60', -1, NaN, Infinity, 10_000_000],
  rate: ['20', 0, -1, NaN],
  onReport: ['x']
}

/** `a.b` as { a: { b: value } }, within otherwise valid options. */
function nested (path: string, value: unknown): object {
  const [top = '', inner, deeper] = path.replace(/\[.*/, '').split('.')
  if (inner === undefined) return { [top]: value }
  const rest = deeper === undefined ? { [inner]: value } : { [inner]: { ...(inner === 'v2' && ACCOUNT.merchant.v2), [deeper]: value } }
  return { [top]: { ...(top === 'merchant' && ACCOUNT.merchant), ...rest } }
}

for (const piece of NAMES) {
  t.test(`O1 wrong forms: ${piece}`, async t => {
    const has = OPTIONS[piece] as Record<string, unknown>
    for (const [option, values] of Object.entries(WRONG)) {
      const [top = ''] = option.split(/[.[]/)
      if (!(top in has)) continue
      // It only needs merchant.mchId; the rest is for `pay`, which may share the object.
      if (piece === 'miniProgram' && option.startsWith('merchant.') && option !== 'merchant.mchId') continue
      // For keys that belong together, the first problem found is reported.
      const name = option.startsWith('merchant.v3.') ? /^merchant\.v3\./ : option
      for (const value of values) {
        const error = await register(piece, nested(option, value))
        t.match(error, { code: 'WECHAT_CONFIG', option: name }, `${option}: ${JSON.stringify(value)}`)
        if (typeof value === 'string' && value.length > 5) t.notOk(error?.message.includes(value), 'the value is not shown')
      }
    }
    const names = new Set(Object.keys(WRONG).map(name => name.split(/[.[]/)[0]))
    t.same(Object.keys(has).filter(name => !names.has(name)), [], 'every option of the plugin is tested here')
  })
}

t.test('O1 the open platform plugin', async t => {
  const fine = { ...PLATFORM, onAuthorized () {}, refreshTokenOf: () => undefined }
  async function registered (options: object) {
    const app = Fastify()
    app.register(pieces.openPlatform, { ...fine, ...options } as never)
    try {
      await app.ready()
    } catch (error) {
      return error as Error & { option?: string }
    } finally {
      await app.close()
    }
  }
  const wrong: Record<string, unknown[]> = {
    componentAppId: ['', 5, 'wx 1', undefined],
    componentAppSecret: ['', 5, 'short', undefined, 'your-32-character-app-secret-xxx'],
    token: ['', 5, 'ab', 'with-a-dash', undefined],
    encodingAesKey: ['', 5, 'short-one', [], [PLATFORM.encodingAesKey, 'short-one'], undefined],
    onAuthorized: ['x', undefined],
    refreshTokenOf: ['x', undefined],
    onUnauthorized: ['x'],
    onReturn: [{}],
    authType: [0, 4, '3', 1.5]
  }
  const shared = ['endpoints', 'redis', 'encryptionKey', 'http', 'prefix', 'preHandler', 'routeConfig', 'logLevel', 'logSerializers', 'origin', 'defaultReturnTo', 'secureCookie']
  for (const [option, values] of [...Object.entries(wrong), ...shared.map(name => [name, WRONG[name]] as const)]) {
    for (const value of values ?? []) {
      const error = await registered({ [option]: value })
      t.match(error, { code: 'WECHAT_CONFIG', option }, `${option}: ${JSON.stringify(value)}`)
      if (typeof value === 'string' && value.length > 5) t.notOk(error?.message.includes(value), 'the value is not shown')
    }
  }
  t.same(Object.keys(OPEN_PLATFORM).filter(name => !(name in wrong) && !shared.includes(name)), [], 'every option is tested here')
  t.match(await registered({ onAuthorised () {} }), { message: /option onAuthorised is unknown: did you mean onAuthorized\?/ })
  t.match(await registered({ componentAppid: 'x' }), { message: /did you mean componentAppId\?/ })
  for (const options of [{}, { encodingAesKey: [PLATFORM.encodingAesKey] }, { prefix: '/x', logLevel: 'warn', logSerializers: {} }, { authType: 1 }]) t.equal(await registered(options), undefined, JSON.stringify(options))
  const environment = process.env.NODE_ENV
  t.teardown(() => { process.env.NODE_ENV = environment ?? '' })
  process.env.NODE_ENV = 'production'
  t.match(await registered({}), { option: 'origin' })
})

t.test('O1 options of a single account are refused with accounts', async t => {
  const accounts = { find: () => undefined }
  for (const [option, value] of Object.entries(ACCOUNT)) {
    for (const piece of NAMES) {
      const error = await register(piece, { appId: undefined, appSecret: undefined, merchant: undefined, accounts, [option]: value })
      t.match(error, { code: 'WECHAT_CONFIG', option, message: /accounts\.find/ }, `${piece}: ${option}`)
    }
  }
  for (const piece of NAMES) t.equal(await register(piece, { appId: undefined, appSecret: undefined, merchant: undefined, accounts }), undefined, piece)
  t.match(await register('token', { appId: undefined, appSecret: undefined, merchant: undefined, accounts: {} }), { option: 'accounts.find' })
})

t.test('O1 valid options', async t => {
  const { http: { ca } } = (await testEmulator(t)).config
  for (const options of [
    { origin: 'https://shop.test' }, { origin: 'http://127.0.0.1:3000/' }, { allowedHosts: ['shop.test', 'localhost:3000', '[::1]:80', 'Shop.Test'] }, { allowedHosts: () => true }, { allowedHosts: [] },
    { prefix: '' }, { prefix: '/' }, { prefix: '/wechat/:account' }, { namespace: 'shop-2' }, { remember: 0.5 }, { every: 0 }, { rate: 0.1 }, { defaultReturnTo: '/#/home' }, { defaultReturnTo: 'https://app.test/' },
    { http: { ca, timeout: 1, retries: 0, proxy: 'http://proxy:3128', connections: 1 } }, { http: { ca: [ca, Buffer.from(ca) as never], proxy: 'env' } }, { http: { ca: `# ours\n${ca}\n${ca}` } },
    { scope: undefined, onLogin: undefined, http: undefined }, { encryptionKey: 'a'.repeat(64) }, { preHandler: [] }, { storeAway: 'process' }
  ]) t.equal(await register('wechatPay', options), undefined, JSON.stringify(options).slice(0, 80))
})

t.test('O1 the core functions', t => {
  const { appId, appSecret } = ACCOUNT
  const account = { ...ACCOUNT, appSecret, tokenMode: 'stable' } as const
  for (const made of [createAccessToken(account), createOAuth(account), createMiniProgram(account), createPay(account)]) t.ok(made, 'one object for all')
  for (const make of [createAccessToken, createOAuth, createMiniProgram, createPay] as Array<(options: PayOptions & { appSecret: string }) => unknown>) {
    for (const [change, option, message] of [
      [{ endpoint: {} }, 'endpoint', /did you mean endpoints\?/],
      [{ redis: {} }, 'redis', /is unknown/],
      [{ tokenMode: 'stabel' }, 'tokenMode', /'stable' or 'plain'/],
      [{ http: { timeout: '5s' } }, 'http.timeout', /milliseconds/],
      [{ store: {} }, 'store', /createRedisStore/]
    ] as const) t.throws(() => make({ ...account, ...change } as never), { code: 'WECHAT_CONFIG', option, message })
  }
  t.throws(() => createAccessToken({ appId, appSecret, http: { timout: 5 } } as never), { code: 'WECHAT_CONFIG', option: 'http.timout' })
  t.end()
})

t.test('O1 the emulator', async t => {
  for (const [options, message] of [
    [{ prot: 1 }, /option prot is unknown: did you mean port\?/], [{ port: '8788' }, /port must be a port/], [{ timescale: 1 }, /did you mean timeScale\?/], [{ keyMode: 'x' }, /keyMode must be 'public-key'/],
    [{ accounts: [{ name: 'b', mchID: '1' }] }, /option accounts\[0\]\.mchID is unknown: did you mean accounts\[0\]\.mchId\?/], [{ now: 5 }, /now must be a function/], [{ appName: 5 }, /appName must be/], [{ merchantName: '' }, /merchantName must be/], [{ subMerchants: [{ subMchid: '1' }] }, /subMerchants\[0\]\.subMchId/],
    [{ component: 5 }, /component must be an object/], [{ component: { appID: 'x' } }, /did you mean component\.appId\?/]
  ] as const) await t.rejects(createEmulator(options as never), { message })
  const app = Fastify()
  app.register(emulator, { keymode: 'both' } as never)
  await t.rejects(async () => await app.ready(), { message: /keymode is unknown: did you mean keyMode\?/ })
})

t.test('O1 plain http in production logs one warning that names the endpoints', async t => {
  const environment = process.env.NODE_ENV
  t.teardown(() => { process.env.NODE_ENV = environment ?? '' })
  const warnings = async (endpoints: object) => {
    const lines: string[] = []
    const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } })
    t.teardown(() => app.close())
    await app.register(pieces.default, { ...REQUIRED, every: 0, endpoints })
    return lines.map(line => JSON.parse(line).msg as string)
  }
  t.same(await warnings({ api: 'http://wechat.internal' }), [], 'not in development')
  process.env.NODE_ENV = 'production'
  const [warning, ...more] = await warnings({ api: 'http://wechat.internal', pay: 'HTTP://127.0.0.1:8788', open: 'https://x.test' })
  t.match(warning, /endpoints\.api, endpoints\.pay .*plain http/)
  t.notMatch(warning, /wechat\.internal/)
  t.same(more, [])
  t.same(await warnings({ api: 'https://wechat.internal' }), [])
})
