/** The same purchase without a browser: every request that the page, the visitor and WeChat's app would make. */
import { createHash } from 'node:crypto'
import type { Emulator } from '../../plugins/emulator/server/emulator.ts'
import type { createShop } from './shop.ts'

type Shop = Awaited<ReturnType<typeof createShop>>

export async function runPurchase (emulator: Emulator, { app, orders }: Shop, origin: string, print: (line: string) => void): Promise<void> {
  const cookies = new Map<string, string>()
  let at = 'start'
  const step = (name: string) => { at = name }
  const fail = (why: string): never => { throw new Error(`${at}: ${why}`) }

  async function visit (url: string, init: RequestInit = {}): Promise<Response> {
    const own = url.startsWith(origin)
    const headers = { ...init.headers as Record<string, string>, ...(own && { cookie: [...cookies].map(pair => pair.join('=')).join('; ') }) }
    const reply = await fetch(url, { redirect: 'manual', ...init, headers, signal: AbortSignal.timeout(10_000) })
    for (const cookie of own ? reply.headers.getSetCookie() : []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (/max-age=0|1970/i.test(cookie)) cookies.delete(name)
      else cookies.set(name, value)
    }
    return reply
  }

  async function json<T> (url: string, body?: object): Promise<T> {
    const reply = await visit(url, body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    const answer = await reply.json()
    return reply.ok ? answer as T : fail(`HTTP ${reply.status} ${(answer as { message?: string }).message}`)
  }

  async function redirected (url: string): Promise<string> {
    const reply = await visit(url)
    return reply.headers.get('location') ?? fail(`HTTP ${reply.status} instead of a redirect`)
  }

  try {
    step('1 token')
    await app.wechatToken.get()
    await app.wechatToken.ticket()
    print(`1 token: access_token and jsapi_ticket received, valid for ${app.wechatToken.status().expiresIn} s`)

    step('2 login')
    const consent = await redirected(`${origin}/wechat/oauth/authorize?scope=snsapi_userinfo&returnTo=/`)
    if (!(await (await visit(consent)).text()).includes('authorize_reply')) fail('WeChat did not ask the visitor')
    const allowed = consent.replace('/authorize?', '/authorize_reply?').replace('#', '&action=allow#')
    const home = await redirected(await redirected(allowed))
    if (!(await (await visit(new URL(home, origin).href)).text()).includes('id="buy"')) fail('the visitor is not logged in')
    print(`2 login: openid received, back at ${home}`)

    step('3 jssdk')
    const config = await json<{ appId: string, timestamp: number, nonceStr: string, signature: string }>(`${origin}/wechat/jssdk?url=${encodeURIComponent(`${origin}/`)}`)
    const bridge = (name: string, body: object) => json<Record<string, string>>(`${emulator.origin}/_emulator/bridge/${name}`, body)
    const verdict = await bridge('preVerifyJSAPI', { url: `${origin}/`, appId: config.appId, verifyTimestamp: String(config.timestamp), verifyNonceStr: config.nonceStr, verifySignature: config.signature })
    if (verdict.err_msg !== 'preVerifyJSAPI:ok') fail(`WeChat says ${verdict.err_msg}`)
    print(`3 jssdk: signature ${config.signature.slice(0, 8)}… accepted for ${origin}/`)

    step('4 order')
    const { outTradeNo } = await json<{ outTradeNo: string }>(`${origin}/orders`, {})
    const params = await json<Record<string, string>>(`${origin}/wechat/pay`, { outTradeNo })
    print(`4 order: ${params.package} for out_trade_no=${outTradeNo}, signed with ${params.signType}`)

    step('5 payment')
    const cashier = await bridge('getBrandWCPayRequest', params)
    if (!cashier.cashier) fail(`WeChat says ${cashier.err_desc}`)
    await emulator.pay(outTradeNo)
    const delivery = await emulator.waitForNotification(delivery => delivery.out_trade_no === outTradeNo)
    if (!delivery.accepted) fail(`the notification was answered with HTTP ${delivery.reply?.status ?? delivery.error}`)
    const order = await orders.find(outTradeNo)
    const { paid } = await json<{ paid: boolean }>(`${origin}/orders/${outTradeNo}/state`)
    if (!order?.paid || !paid) fail('the order page does not say paid')
    print(`5 payment: notification ${fingerprint(delivery.request.body)} verified, answered ${delivery.reply?.status} SUCCESS, order page says paid`)
    print(`paid out_trade_no=${outTradeNo} transaction_id=${order?.paid?.transactionId} total_fee=${order?.amount} notified=${order?.handled}`)
  } catch (error) {
    throw error instanceof Error && error.message.startsWith(at) ? error : new Error(`${at}: ${(error as Error).message}`)
  }
}

const fingerprint = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8)
