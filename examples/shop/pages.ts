/** The shop's pages, in Chinese and English, for a phone's screen. */
import type { FastifyRequest } from 'fastify'
import { PRODUCT } from './orders.ts'
import type { ShopOrder } from './orders.ts'
import type { Visitor } from './session.ts'

export type Language = 'zh' | 'en'

const WORDS = {
  zh: { shop: '山里咖啡', buy: '立即购买', login: '微信登录后购买', hello: '你好，', other: 'English', ready: '已就绪', failed: '未成功：', paid: '支付成功', paidNote: '已收到微信支付通知', waiting: '等待支付结果', waitingNote: '收到微信支付通知后自动更新', cancelled: '已取消支付', cancelledNote: '订单仍为你保留，可重新购买', refused: '未授权登录', refusedNote: '授权后才能购买', item: '商品', amount: '金额', order: '订单号', transaction: '微信支付单号', back: '返回商品页' },
  en: { shop: 'Mountain Coffee', buy: 'Buy now', login: 'Log in with WeChat to buy', hello: 'Hello, ', other: '中文', ready: 'Ready', failed: 'No luck: ', paid: 'Paid', paidNote: 'WeChat Pay\'s notification has arrived', waiting: 'Waiting for the payment', waitingNote: 'This page changes when WeChat Pay\'s notification arrives', cancelled: 'Payment cancelled', cancelledNote: 'Nothing was charged; you can buy again', refused: 'Login refused', refusedNote: 'Allow the login to buy', item: 'Item', amount: 'Amount', order: 'Order', transaction: 'WeChat transaction', back: 'Back to the product' }
}

/** `?lang=` first, then what the browser prefers. */
export function languageOf (request: FastifyRequest): Language {
  const { lang } = request.query as { lang?: unknown }
  if (lang === 'zh' || lang === 'en') return lang
  return /^en/i.test(request.headers['accept-language'] ?? '') ? 'en' : 'zh'
}

const escape = (text: string) => text.replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`)
const yuan = (fen: number) => `${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, '0')}`

interface Frame { language: Language, bridge: string | undefined, data?: string, body: string }

function page ({ language, bridge, data = '', body }: Frame): string {
  const words = WORDS[language]
  // Inside WeChat the bridge is there; in the demo the emulator supplies it.
  const scripts = [...bridge ? [bridge] : [], '/assets/jweixin.js', '/assets/buy.js'].map(src => `<script src="${escape(src)}"${src.endsWith('buy.js') ? ' defer' : ''}></script>`).join('')
  return `<!doctype html><html lang="${language === 'zh' ? 'zh-CN' : 'en'}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${words.shop}</title><link rel="stylesheet" href="/assets/style.css"><link rel="icon" href="data:,">${scripts}</head>
<body data-words="${escape(JSON.stringify({ ready: words.ready, failed: words.failed }))}"${data}><main>${body}</main></body></html>`
}

export function productPage (language: Language, visitor: Visitor | undefined, bridge: string | undefined): string {
  const words = WORDS[language]
  const other = language === 'zh' ? 'en' : 'zh'
  const action = visitor
    ? `<button class="weui-btn weui-btn_primary" id="buy" disabled>${words.buy}</button>`
    : `<a class="weui-btn weui-btn_primary" id="login" href="/wechat/oauth/authorize?scope=snsapi_userinfo&amp;returnTo=${encodeURIComponent(`/?lang=${language}`)}">${words.login}</a>`
  return page({
    language,
    bridge,
    body: `<div class="hero">☕️</div><section class="product"><h1>${PRODUCT.title[language]}</h1><p>${PRODUCT.note[language]}</p>
<div class="price"><small>¥</small>${yuan(PRODUCT.amount)}</div></section>
<div class="visitor"><span>${visitor ? words.hello + escape(visitor.nickname) : words.shop}</span><a href="/?lang=${other}">${words.other}</a></div>
<div class="actions">${action}<div id="status" role="status"></div></div>`
  })
}

type Outcome = 'paid' | 'waiting' | 'cancelled'
const ICON = { paid: 'weui-icon-success', waiting: 'weui-icon-waiting', cancelled: 'weui-icon-info', refused: 'weui-icon-warn' }

function message (language: Language, kind: keyof typeof ICON, rows: string): string {
  const words = WORDS[language]
  return `<div class="weui-msg" id="outcome" data-state="${kind}"><div class="weui-msg__icon-area"><i class="${ICON[kind]} weui-icon_msg"></i></div>
<div class="weui-msg__text-area"><h2 class="weui-msg__title">${words[kind]}</h2><p class="weui-msg__desc">${words[`${kind}Note`]}</p>${rows}</div>
<div class="weui-msg__opr-area"><p class="weui-btn-area"><a class="weui-btn weui-btn_default" href="/?lang=${language}">${words.back}</a></p></div></div>`
}

export function orderPage (language: Language, order: ShopOrder, cancelled: boolean, bridge: string | undefined): string {
  const words = WORDS[language]
  const outcome: Outcome = order.paid ? 'paid' : cancelled ? 'cancelled' : 'waiting'
  const row = (name: string, value: string) => `<div><span>${name}</span><span>${escape(value)}</span></div>`
  const rows = `<div class="rows">${row(words.item, order.title)}${row(words.amount, `¥${yuan(order.amount)}`)}${row(words.order, order.outTradeNo)}${order.paid ? row(words.transaction, order.paid.transactionId) : ''}</div>`
  return page({ language, bridge, data: outcome === 'waiting' ? ` data-order="${order.outTradeNo}"` : '', body: message(language, outcome, rows) })
}

export function refusedPage (language: Language): string {
  return page({ language, bridge: undefined, body: message(language, 'refused', '') })
}
