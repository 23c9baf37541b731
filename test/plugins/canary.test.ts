/** E1: recognizable secrets, thirty provoked failures, and a search of all output. */
import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import Fastify from 'fastify'
import t from 'tap'
import { testNotifications } from '../../plugins/emulator/server/emulator.ts'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import { OPENID } from '../helpers/account.ts'
import { FAULTS, fakeServer, json } from '../helpers/fake-server.ts'
import type { Answer } from '../helpers/fake-server.ts'
import { patience } from '../helpers/patience.ts'

const CANARY = {
  appSecret: 'canaryappsecret00canaryappsecret',
  apiKey: 'canaryapikey0000canaryapikey0000',
  apiV3Key: 'canaryapiv3key00canaryapiv3key00',
  token: 'canary_access_token_of_the_account',
  ticket: 'canary_ticket_of_the_account',
  userToken: 'canary_access_token_of_the_user',
  refreshToken: 'canary_refresh_token_of_the_user'
}
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
const SECRETS = [...Object.values(CANARY), ...key.split('\n').slice(1, -2)]

const found = (text: string) => SECRETS.filter(secret => text.includes(secret))

function everything (error: unknown): string {
  const { stack, cause } = error as Error
  return [String(error), stack, JSON.stringify(error), inspect(error, { depth: 10, showHidden: true }), inspect(cause, { depth: 10 })].join('\n')
}

for (const version of ['v2', 'v3'] as const) {
  t.test(`E1 no output contains a secret (${version})`, async t => {
    const wechat = await fakeServer(json({}))
    t.teardown(wechat.close)
    const echo: Answer = (seen, reply) => { reply.end(JSON.stringify({ errcode: 40013, errmsg: `you sent ${seen.url} ${seen.body} ${JSON.stringify(seen.headers)}` })) }
    const echoXml: Answer = (seen, reply) => { reply.end(`<xml><return_code>FAIL</return_code><return_msg><![CDATA[${seen.body.replaceAll(']]>', '').slice(0, 500)} ${CANARY.apiKey}]]></return_msg></xml>`) }
    const echoJson: Answer = (seen, reply) => { reply.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ code: 'PARAM_ERROR', message: `${seen.body} ${CANARY.apiV3Key}` })) }
    const lines: string[] = []
    const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
    t.teardown(() => app.close())
    const account = { appId: 'wx0123456789abcdef', mchId: '1900000109', apiKey: CANARY.apiKey, apiV3Key: CANARY.apiV3Key }
    const messages = testNotifications(account)
    await app.register(wechatPay, {
      appId: account.appId,
      appSecret: CANARY.appSecret,
      version,
      merchant: { mchId: account.mchId, notifyUrl: 'https://shop.test/n', v2: { apiKey: CANARY.apiKey }, v3: { ...messages.v3.merchant, privateKey: key } },
      endpoints: wechat.endpoints,
      http: { retries: 0, timeout: patience(150) },
      onLogin: () => {},
      onPayment: () => { throw new Error('the host\'s own') },
      order: () => ({ outTradeNo: 'CN123456', description: '咖啡', amount: 100, openid: OPENID })
    })
    const seen: string[] = []
    const errors: unknown[] = []
    const attempt = async (call: () => PromiseLike<unknown>) => {
      try {
        const value = await call()
        seen.push(inspect(value, { depth: 6 }))
      } catch (error) {
        errors.push(error)
        seen.push(everything(error))
      }
    }
    const { wechatToken, wechatOAuth, wechatPay: pay } = app
    const calls: Array<() => PromiseLike<unknown>> = [
      () => wechatToken.get(), () => wechatToken.ticket(), () => wechatOAuth.exchange('a_code'), () => wechatOAuth.refresh(CANARY.refreshToken), () => wechatOAuth.userinfo(CANARY.userToken, OPENID),
      () => pay.jsapi({ outTradeNo: 'CN123456', description: '咖啡', amount: 100, openid: OPENID }), () => pay.query({ outTradeNo: 'CN123456' }), () => pay.close('CN123456'), () => pay.queryRefund({ outRefundNo: 'CNR1' }),
      () => pay.tradeBill({ date: '2026-11-01' })[Symbol.asyncIterator]().next(), () => pay.v2.post('/some/call', {}), () => pay.v3.request('GET', '/v3/some/call')
    ]
    for (const answer of [echo, echoXml, echoJson, ...Object.values(FAULTS)]) {
      wechat.become(answer)
      for (const call of calls) await attempt(call)
    }
    t.ok(errors.length >= 30, `${errors.length} failures were provoked`)
    wechat.become((incoming, reply) => {
      reply.end(JSON.stringify(incoming.url.includes('ticket') ? { errcode: 0, ticket: CANARY.ticket, expires_in: 7200 } : { access_token: CANARY.token, expires_in: 7200 }))
    })
    await new Promise(resolve => setTimeout(resolve, 1100))
    const inject = async (options: object) => {
      const reply = await app.inject(options)
      seen.push(`${reply.statusCode} ${JSON.stringify(reply.headers)} ${reply.body}`)
    }
    await inject({ url: `/wechat/jssdk?url=${encodeURIComponent('http://localhost:80/')}` })
    await inject({ method: 'POST', url: '/wechat/pay', payload: {} })
    await inject({ url: '/wechat/oauth/callback?code=a_code&state=x' })
    for (const message of [messages.v2.payment({ outTradeNo: 'CN1', amount: 1 }), messages.v3.payment({ outTradeNo: 'CN123456', amount: 1 }), messages.v3.forged(messages.v3.payment({ outTradeNo: 'CN123456', amount: 1 })), { headers: {}, payload: `<xml><a>${CANARY.apiKey}</a></xml>` }]) {
      await inject({ method: 'POST', url: '/wechat/notify', ...message })
    }
    seen.push(app.printRoutes(), inspect(app, { depth: 6 }), inspect(app.wechatPay, { depth: 10, showHidden: true }), inspect(app.wechatToken, { depth: 10, showHidden: true }), JSON.stringify(app.wechatToken.status()))
    for (const text of seen) {
      const [secret] = found(text)
      if (secret) t.fail(`${secret} in ${text.slice(0, 300)}`)
    }
    for (const line of lines) {
      const [secret] = found(line)
      if (secret) t.fail(`${secret} in the log: ${line.slice(0, 300)}`)
    }
    t.ok(lines.length > 10, 'and the log was searched')
  })
}
