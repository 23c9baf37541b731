/** K2: encryptionKey enabled, changed and disabled again with existing data in Redis. Refunds: test/src/pay/refund.test.ts; certificates: test/src/pay/v3/switch.test.ts. */
import Fastify from 'fastify'
import t from 'tap'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import type { WechatUser } from '../../plugins/oauth.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { payment, signed } from '../helpers/notification.ts'
import { skip, startRedis } from '../helpers/redis.ts'

t.test('K2 tokens, tickets, logins and handled payments survive every change of the key', { skip }, async t => {
  const emulator = await testEmulator(t)
  const redis = await startRedis()
  t.teardown(redis.stop)
  const { appId, mchId, apiKey } = emulator.account
  const users: WechatUser[] = []
  let handled = 0

  async function start (encryptionKey?: Buffer) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(wechatPay, {
      ...emulator.config,
      merchant: { ...emulator.config.merchant, notifyUrl: 'http://127.0.0.1:1/wechat/notify' },
      redis: redis.client(),
      ...(encryptionKey && { encryptionKey }),
      onLogin: user => { users.push(user) },
      onPayment: () => { handled++ }
    })
    await app.ready()
    return app
  }
  type App = Awaited<ReturnType<typeof start>>

  async function begin (app: App) {
    const reply = await app.inject('/wechat/oauth/authorize')
    const path = String(reply.headers.location).replace(emulator.origin, '').replace('/authorize?', '/authorize_reply?').replace('#wechat_redirect', '')
    const back = new URL(String((await emulator.app.inject(`${path}&action=allow&user=${OPENID}`)).headers.location))
    return { url: back.pathname + back.search, cookies: Object.fromEntries(reply.cookies.map(({ name, value }) => [name, value])) }
  }

  const body = signed(payment({ appid: appId, mch_id: mchId }), apiKey)
  const ways = { plain: undefined, 'a key': Buffer.alloc(32, 1), 'another key': Buffer.alloc(32, 2), 'plain again': undefined }
  let login: Awaited<ReturnType<typeof begin>> | undefined
  let number = 0
  for (const [way, key] of Object.entries(ways)) {
    const app = await start(key)
    number++
    t.match(await app.wechatToken.request('/cgi-bin/getcallbackip'), { ip_list: [] }, way)
    t.match(await app.wechatToken.ticket(), /^[\w-]+$/)
    t.equal((await (await start(key)).wechatToken.get()), await app.wechatToken.get(), 'shared by processes with the same key')
    const stored = await redis.client().get(`wechat:{${appId}}:access_token`)
    t.match(stored, key ? /^v1\./ : /^98_/)

    for (let times = 0; times < 2; times++) {
      const reply = await app.inject({ method: 'POST', url: '/wechat/notify', headers: { 'content-type': 'text/xml' }, payload: body })
      t.match(reply, { statusCode: 200, body: /SUCCESS/ })
    }
    t.equal(handled, 1, 'handled once, whatever the key')

    if (login) {
      t.equal((await app.inject(login)).statusCode, 302, 'a login started before the change finishes after it')
      t.equal(users.length, number - 1)
      const replayed = await (await start(ways['a key'])).inject(login)
      t.ok(replayed.statusCode >= 400 && replayed.statusCode < 500, 'and repeating it is refused')
      t.equal(users.length, number - 1)
    }
    login = await begin(app)
  }
})
