/** WeChat's browser for a page: a script that provides WeixinJSBridge. The checks run here, not in the page. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { signJssdk } from '../../../../src/official-account/jssdk.ts'
import { explainJssdk } from '../../explain/jssdk.ts'
import { explainPaySign } from '../../explain/pay-sign.ts'
import type { V3Keys } from '../../keys/v3-keys.ts'
import type { OfficialAccount } from '../official-account.ts'
import { cashierPage, errorPage, languageOf, transferPage } from './pages.ts'
import type { Language } from './pages.ts'
import { scan } from './scan.ts'
import type { MiniProgram } from '../mini-program/mini-program.ts'
import type { PayV2 } from '../v2/v2.ts'
import type { PayV3 } from '../v3/v3.ts'
import { bodyJson } from '../wire.ts'
import type { Order, State } from '../../state/state.ts'
import type { Routes } from '../routes.ts'

type Params = Record<string, unknown>

/** Pages that called wx.config, to recognize a signature made for an earlier page. */
const PAGES_KEPT = 20

export function bridge (app: Routes, state: State, account: OfficialAccount, pay: PayV2, { transfers }: Pick<PayV3, 'transfers'>, mini: MiniProgram, keys: Pick<V3Keys, 'merchant'>): void {
  const pages: string[] = []

  app.get('/_emulator/bridge.js', async (_request, reply) =>
    reply.type('text/javascript; charset=utf-8').header('cache-control', 'no-store').send(SCRIPT))

  function verifyConfig (request: FastifyRequest, params: Params): string {
    const address = String(params.url)
    const url = address.split('#')[0] as string
    if (params.appId !== state.account.appId) return 'invalid appid'
    if (!URL.canParse(url) || !state.isOurDomain(new URL(url).host)) return 'invalid url domain'
    const right = account.liveTickets().some(ticket => signJssdk({
      jsapi_ticket: ticket,
      noncestr: String(params.verifyNonceStr),
      timestamp: Number(params.verifyTimestamp),
      url
    }) === params.verifySignature)
    if (!right) {
      const earlierPages = pages.filter(page => page !== url)
      request.wechatExplanation = () => explainJssdk({ nonce: String(params.verifyNonceStr), timestamp: String(params.verifyTimestamp), url, address, signature: String(params.verifySignature), earlierPages, ...account.ticketsForExplaining() })
    }
    if (pages.push(url) > PAGES_KEPT) pages.shift()
    return right ? 'ok' : 'invalid signature'
  }

  /** The path of the cashier, or an error. */
  function verifyPayment (request: FastifyRequest, params: Params): { cashier: string } | { problem: string } {
    const order = pay.orders.atCashier(params, order => explainLater(request, params, order))
    if (typeof order === 'string') return { problem: order }
    if (order.trade_state !== 'NOTPAY') return { problem: order.trade_state === 'CLOSED' ? '订单已关闭' : '该订单已支付' }
    return { cashier: `/_emulator/cashier/${order.prepay_id}` }
  }

  function explainLater (request: FastifyRequest, params: Params, order: Order, isApp = false): void {
    request.wechatExplanation = () => explainPaySign({ params, order, account: state.account, merchantKey: keys.merchant.publicKey, isApp })
  }

  // Pages on any host may call, as in WeChat's browser; the body is text, so no CORS preflight is needed.
  const open = (reply: FastifyReply) => reply.header('access-control-allow-origin', '*')

  app.post('/_emulator/bridge/preVerifyJSAPI', async (request, reply) => {
    open(reply)
    return { err_msg: `preVerifyJSAPI:${verifyConfig(request, bodyJson(request) ?? {})}` }
  })

  app.post('/_emulator/bridge/getBrandWCPayRequest', async (request, reply) => {
    open(reply)
    const verdict = verifyPayment(request, bodyJson(request) ?? {})
    return 'cashier' in verdict ? verdict : { err_msg: 'get_brand_wcpay_request:fail', err_desc: verdict.problem }
  })

  // A mini program's page does not send its appId: WeChat knows which program it runs.
  app.post('/_emulator/bridge/login', async (request, reply) => {
    open(reply)
    const { openid } = bodyJson(request) ?? {}
    return { code: mini.loginCode(typeof openid === 'string' && openid !== '' ? openid : undefined) }
  })

  app.post('/_emulator/bridge/requestPayment', async (request, reply) => {
    open(reply)
    const { appId = state.account.appId, ...params } = bodyJson(request) ?? {}
    const verdict = state.appIds.includes(String(appId)) ? verifyPayment(request, { ...params, appId }) : { problem: 'appId无效' }
    return 'cashier' in verdict ? verdict : { err_msg: 'requestPayment:fail', err_desc: verdict.problem }
  })

  // Shared links must be on the account's domains.
  for (const name of ['updateAppMessageShareData', 'updateTimelineShareData']) {
    app.post(`/_emulator/bridge/${name}`, async (request, reply) => {
      open(reply)
      const { title, link } = bodyJson(request) ?? {}
      const isOurs = typeof link === 'string' && URL.canParse(link) && state.isOurDomain(new URL(link).host)
      return { err_msg: `${name}:${typeof title !== 'string' || title === '' ? 'fail, title is empty' : isOurs ? 'ok' : 'fail, link must be of a safe domain'}` }
    })
  }

  // With needResult 0, WeChat acts on the code itself: here it opens the cashier.
  app.post('/_emulator/bridge/scanQRCode', async (request, reply) => {
    open(reply)
    const params = bodyJson(request) ?? {}
    const order = await scan(String(params.text), state, pay.orders, undefined)
    return typeof order === 'string' ? { err_msg: 'scanQRCode:fail', err_desc: order } : { cashier: `/_emulator/cashier/${pay.orders.prepay(order)}` }
  })

  app.post('/_emulator/bridge/requestMerchantTransfer', async (request, reply) => {
    open(reply)
    const params = bodyJson(request) ?? {}
    const bill = transfers.findByPackage(String(params.package))
    const problem = params.appId !== state.account.appId ? 'appId与发起转账的appid不一致' : params.mchId !== state.account.mchId && params.subMchId !== bill?.sub_mch_id ? 'mchId与发起转账的商户号不一致' : !bill ? 'package无效' : bill.state !== 'WAIT_USER_CONFIRM' ? '单据状态不允许确认收款' : undefined
    return problem === undefined ? { cashier: `/_emulator/transfer/${bill?.transfer_bill_no}` } : { err_msg: 'requestMerchantTransfer:fail', err_desc: problem }
  })

  app.get<{ Params: { id: string } }>('/_emulator/transfer/:id', async (request, reply) => {
    const bill = transfers.byWechatNumber(request.params.id)
    return reply.type(HTML).send(bill ? transferPage(languageOf(request), bill, state, `${app.prefix}/_emulator/transfers/${encodeURIComponent(bill.out_bill_no)}/confirm${bill.sub_mch_id && `?sub_mch_id=${bill.sub_mch_id}`}`) : errorPage(languageOf(request), 404, '转账单不存在'))
  })

  // The parameters an app passes to WeChat's SDK (PayReq).
  app.post('/_emulator/bridge/sendPayReq', async request => {
    const params = bodyJson(request) ?? {}
    const order = pay.orders.atCashierOfApp(params, order => explainLater(request, params, order, true))
    return typeof order === 'string' ? { errCode: -1, errStr: order } : { errCode: 0, cashier: `/_emulator/cashier/${order.prepay_id}` }
  })

  app.get<{ Params: { prepayId: string } }>('/_emulator/cashier/:prepayId', async (request, reply) =>
    reply.type(HTML).send(cashierFor(languageOf(request), request.params.prepayId)))

  // A phone's browser opens this for an H5 order; `redirect_url` leads back.
  app.get<{ Querystring: { prepay_id?: string, redirect_url?: string } }>('/_emulator/h5', async (request, reply) => {
    const { prepay_id: id = '', redirect_url: back } = request.query
    // WeChat checks the Referer: an H5 payment must start on the merchant's page.
    if (!request.headers.referer) return reply.type(HTML).send(errorPage(languageOf(request), -1, '商家参数格式有误，请联系商家解决'))
    return reply.type(HTML).send(cashierFor(languageOf(request), id, back))
  })

  function cashierFor (language: Language, prepayId: string, back?: string): string {
    const order = pay.orders.byPrepayId(prepayId)
    if (!order) return errorPage(language, 404, '订单不存在或已过期')
    const path = `${app.prefix}/_emulator/orders/${encodeURIComponent(order.out_trade_no)}`
    const query = order.sub_mch_id === '' ? '' : `?sub_mch_id=${order.sub_mch_id}`
    return cashierPage(language, order, state, { pay: `${path}/pay${query}`, cancel: `${path}/cancel${query}`, back })
  }
}

const HTML = 'text/html; charset=utf-8'

/** Runs in the merchant's page, before WeChat's own jweixin script. */
const SCRIPT = `(() => {
  const base = document.currentScript.src.replace(/\\/_emulator\\/bridge\\.js.*$/, '')
  const { appId, openid } = document.currentScript.dataset
  if (!/MicroMessenger/.test(navigator.userAgent)) {
    const userAgent = navigator.userAgent + ' MicroMessenger/8.0.50'
    Object.defineProperty(navigator, 'userAgent', { get: () => userAgent, configurable: true })
  }
  const post = async (name, body) =>
    (await fetch(base + '/_emulator/bridge/' + name, { method: 'POST', body: JSON.stringify(body) })).json()

  function cashier (path) {
    return new Promise(resolve => {
      const frame = document.createElement('iframe')
      frame.src = base + path
      frame.title = 'WeChat Pay'
      frame.style.cssText = 'position:fixed;inset:0;width:100%;height:100%;border:0;z-index:2147483647;background:Canvas'
      const onMessage = event => {
        if (event.source !== frame.contentWindow || !event.data || !event.data.wechatEmulator) return
        window.removeEventListener('message', onMessage)
        frame.remove()
        resolve(event.data.wechatEmulator)
      }
      window.addEventListener('message', onMessage)
      document.body.append(frame)
    })
  }

  // WeChat's app shows the reason itself; the page gets only "fail".
  function showNotice (reason) {
    const notice = document.createElement('div')
    notice.setAttribute('role', 'alert')
    notice.textContent = reason
    notice.style.cssText = 'position:fixed;left:50%;top:40%;transform:translateX(-50%);max-width:80%;padding:16px 24px;border-radius:8px;background:#000c;color:#fff;font:16px/1.5 system-ui,sans-serif;z-index:2147483647'
    document.body.append(notice)
    setTimeout(() => notice.remove(), 3000)
  }

  const isEnglish = /^en/i.test(navigator.language)
  const isAndroid = /android/i.test(navigator.userAgent)

  // Stands for WeChat's native dialogs and camera; undefined if the visitor cancels.
  function ask (title, wantsText) {
    return new Promise(resolve => {
      const sheet = document.createElement('form')
      sheet.setAttribute('role', 'dialog')
      sheet.setAttribute('aria-label', title)
      sheet.style.cssText = 'position:fixed;left:50%;top:30%;transform:translateX(-50%);width:min(90%,360px);padding:20px;border-radius:12px;background:Canvas;color:CanvasText;box-shadow:0 0 0 9999px #0008;font:16px/1.5 system-ui,sans-serif;z-index:2147483647;display:grid;gap:12px'
      const words = document.createElement('div')
      words.style.whiteSpace = 'pre-line'
      words.textContent = title
      const input = document.createElement('input')
      input.name = 'text'
      input.style.font = 'inherit'
      const button = (label, type) => {
        const made = document.createElement('button')
        made.type = type
        made.textContent = label
        made.style.cssText = 'font:inherit;padding:8px'
        return made
      }
      const cancel = button(isEnglish ? 'Cancel' : '取消', 'button')
      sheet.append(words, ...wantsText ? [input] : [], button(isEnglish ? 'OK' : '确定', 'submit'), cancel)
      const end = value => { sheet.remove(); resolve(value) }
      sheet.addEventListener('submit', event => { event.preventDefault(); end(input.value) })
      cancel.addEventListener('click', () => end(undefined))
      document.body.append(sheet)
      if (wantsText) input.focus()
    })
  }

  const calls = {
    preVerifyJSAPI: params => post('preVerifyJSAPI', { ...params, url: location.href }),
    async getBrandWCPayRequest (params) {
      const verdict = await post('getBrandWCPayRequest', params)
      if (verdict.err_desc) showNotice(verdict.err_desc)
      return verdict.cashier ? { err_msg: 'get_brand_wcpay_request:' + await cashier(verdict.cashier) } : verdict
    },
    updateAppMessageShareData: params => post('updateAppMessageShareData', params),
    updateTimelineShareData: params => post('updateTimelineShareData', params),
    async scanQRCode (params) {
      const text = await ask(isEnglish ? 'What does the code say?' : '扫一扫：二维码的内容', true)
      if (text === undefined) return { err_msg: 'scanQRCode:cancel' }
      if (Number(params.needResult) === 1) return { err_msg: 'scanQRCode:ok', resultStr: isAndroid ? JSON.stringify({ scan_code: { scan_result: text } }) : text }
      const verdict = await post('scanQRCode', { text })
      if (verdict.err_desc) showNotice(verdict.err_desc)
      if (!verdict.cashier) return verdict
      await cashier(verdict.cashier)
      return { err_msg: 'scanQRCode:ok' }
    },
    async requestMerchantTransfer (params) {
      const verdict = await post('requestMerchantTransfer', params)
      if (verdict.err_desc) showNotice(verdict.err_desc)
      return verdict.cashier ? { err_msg: 'requestMerchantTransfer:' + await cashier(verdict.cashier) } : verdict
    },
    async openLocation (params) {
      if (!isFinite(params.latitude) || !isFinite(params.longitude)) return { err_msg: 'openLocation:fail' }
      await ask((params.name || (isEnglish ? 'Location' : '位置')) + '\\n' + (params.address || '') + '\\n' + params.latitude + ', ' + params.longitude, false)
      return { err_msg: 'openLocation:ok' }
    },
    async checkJsApi (params) {
      const result = Object.fromEntries((params.jsApiList || []).map(name => [name, name === 'chooseWXPay' || name in calls]))
      return { err_msg: 'checkJsApi:ok', checkResult: isAndroid ? JSON.stringify(result) : result }
    }
  }

  window.WeixinJSBridge = {
    invoke (name, params, callback) {
      const call = calls[name] || (async () => ({ err_msg: name + ':fail, the emulator does not offer it' }))
      call(params || {}).catch(error => ({ err_msg: name + ':fail', err_desc: String(error) })).then(reply => { if (callback) callback(reply) })
    },
    call () {},
    on () {},
    log () {}
  }

  // Mini program API: callbacks, or a promise if none is given.
  const offer = (name, work) => (options = {}) => {
    const { success, fail, complete, ...params } = options
    const running = work(params).then(result => ({ ...result, errMsg: name + ':ok' }))
    if (!success && !fail && !complete) return running
    running.then(
      result => { if (success) success(result); if (complete) complete(result) },
      error => { const failure = { errMsg: error.message }; if (fail) fail(failure); if (complete) complete(failure) })
  }
  // WeChat's jweixin script, if the page loads it, replaces this object: then the page is not a mini program.
  window.wx = {
    login: offer('login', () => post('login', { openid, appId })),
    requestPayment: offer('requestPayment', async params => {
      const verdict = await post('requestPayment', { ...params, appId })
      if (!verdict.cashier) throw new Error(verdict.err_msg + ' ' + verdict.err_desc)
      const outcome = await cashier(verdict.cashier)
      if (outcome !== 'ok') throw new Error('requestPayment:fail cancel')
      return {}
    })
  }
  document.addEventListener('DOMContentLoaded', () => document.dispatchEvent(new Event('WeixinJSBridgeReady')))
})()
`
