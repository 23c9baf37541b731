/** The shop's pages, designed for phones. */
import { PRODUCT } from './orders.ts'
import type { ShopOrder } from './orders.ts'
import { PICTURE } from './picture.ts'
import type { Visitor } from './session.ts'
import { WORDS } from './words.ts'
import type { Language, Words } from './words.ts'

const escape = (text: string) => text.replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`)
const yuan = (fen: number) => `${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, '0')}`

const ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%237a4e31'/%3E%3Cpath d='M2 12l4-6 2 3 2-4 4 7z' fill='%23fbf1e2'/%3E%3C/svg%3E"

interface Frame {
  language: Language
  /** Data for the page's script: the emulator's bridge, and the order to pay or wait for. */
  script?: { bridge: string | undefined, order?: string, wait?: boolean }
  body: string
}

function page ({ language, script, body }: Frame): string {
  const words = WORDS[language]
  // WeChat's browser provides the bridge; in the demo, the emulator does.
  const scripts = script ? [...script.bridge ? [script.bridge] : [], '/assets/jweixin.js', '/assets/buy.js'].map(src => `<script src="${escape(src)}"${src.endsWith('buy.js') ? ' defer' : ''}></script>`).join('') : ''
  const messages = JSON.stringify({ failed: words.payFailed, notPaid: words.notPaid, offline: words.offline, copied: words.copied })
  const data = script?.order === undefined ? '' : ` data-order="${escape(script.order)}"${script.wait ? ' data-wait' : ''}`
  return `<!doctype html><html lang="${language === 'zh' ? 'zh-CN' : 'en'}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${words.shop}</title><link rel="stylesheet" href="/assets/style.css"><link rel="icon" href="${ICON}">${scripts}</head>
<body data-words="${escape(messages)}"${data}><main>${body}</main></body></html>`
}

const STATUS = '<p id="status" role="status"></p>'
const button = (id: string, text: string, kind = 'primary') => `<button type="button" class="weui-btn weui-btn_${kind}" id="${id}">${text}</button>`
const link = (href: string, text: string, kind = 'default') => `<a class="weui-btn weui-btn_${kind}" href="${escape(href)}">${text}</a>`
const LOGIN = '/wechat/oauth/authorize?scope=snsapi_userinfo&returnTo=/'

export function productPage (language: Language, visitor: Visitor | undefined, bridge: string | undefined): string {
  const words = WORDS[language]
  const other = language === 'zh' ? 'en' : 'zh'
  const action = visitor
    ? button('buy', words.buy).replace('>', ' disabled>')
    : link(LOGIN, words.login, 'primary').replace('<a', '<a id="login"')
  return page({
    language,
    script: { bridge },
    body: `${PICTURE.replace('aria-label=""', `aria-label="${PRODUCT.title[language]}"`)}<section class="product"><h1>${PRODUCT.title[language]}</h1><p>${PRODUCT.note[language]}</p>
<div class="price"><small>¥</small>${yuan(PRODUCT.amount)}</div></section>
<div class="visitor"><span>${visitor ? words.hello + escape(visitor.nickname) : words.shop}</span><a href="/?lang=${other}" lang="${other}">${words.other}</a></div>
<div class="actions">${action}${STATUS}</div>`
  })
}

interface Message { language: Language, kind: string, icon: string, title: string, note: string, rows?: string, actions: string }

const message = ({ kind, icon, title, note, rows = '', actions }: Omit<Message, 'language'>) =>
  `<div class="weui-msg" id="outcome" data-state="${kind}"><div class="weui-msg__icon-area">${icon}</div>
<div class="weui-msg__text-area"><h1 class="weui-msg__title">${title}</h1><p class="weui-msg__desc">${note}</p>${rows}</div>
<div class="weui-msg__opr-area"><div class="weui-btn-area">${actions}</div>${STATUS}</div></div>`

const icon = (name: string) => `<i class="weui-icon-${name} weui-icon_msg" aria-hidden="true"></i>`

function rowsOf (order: ShopOrder, language: Language): string {
  const words = WORDS[language]
  const row = (name: string, value: string) => `<div><span>${name}</span><span>${escape(value)}</span></div>`
  // On its own line: ids are read out, compared and copied as a whole.
  const id = (name: string, value: string) => `<div class="id"><span>${name}</span><code translate="no">${escape(value)}</code><button type="button" data-copy="${escape(value)}" aria-label="${words.copy}: ${name}">${words.copy}</button></div>`
  return `<div class="rows">${row(words.item, order.title[language])}${row(words.amount, `¥${yuan(order.amount)}`)}${id(words.order, order.outTradeNo)}${order.paid ? id(words.transaction, order.paid.transactionId) : ''}</div>`
}

export type Outcome = 'paid' | 'waiting' | 'cancelled' | 'expired'

export function orderPage (language: Language, order: ShopOrder, outcome: Outcome, bridge: string | undefined): string {
  const words = WORDS[language]
  const back = link('/', words.back)
  const rows = rowsOf(order, language)
  if (outcome === 'paid') {
    return page({ language, script: { bridge }, body: message({ kind: 'paid', icon: icon('success'), title: words.paid, note: words.paidNote, rows, actions: back }) })
  }
  if (outcome === 'cancelled') {
    return page({ language, script: { bridge, order: order.outTradeNo }, body: message({ kind: 'cancelled', icon: icon('info'), title: words.cancelled, note: words.cancelledNote, rows, actions: button('pay-order', words.payOrder).replace('>', ' disabled>') + back }) })
  }
  if (outcome === 'expired') {
    return page({ language, script: { bridge, order: order.outTradeNo }, body: message({ kind: 'expired', icon: icon('info'), title: words.expired, note: words.expiredNote, rows, actions: link('/', words.orderAgain, 'primary') + button('check', words.checkAgain, 'default') }) })
  }
  // The page's script shows the `late` template when it stops polling.
  const waiting = message({ kind: 'waiting', icon: '<i class="spinner" aria-hidden="true"></i>', title: words.waiting, note: words.waitingNote, rows, actions: back })
  const late = message({ kind: 'late', icon: icon('waiting'), title: words.late, note: words.lateNote, rows, actions: button('check', words.checkAgain) + button('pay-order', words.payOrder, 'default').replace('>', ' disabled>') + back })
  return page({ language, script: { bridge, order: order.outTradeNo, wait: true }, body: `${waiting}<template id="late">${late}</template>` })
}

export function refusedPage (language: Language): string {
  const words = WORDS[language]
  return page({ language, body: message({ kind: 'refused', icon: icon('warn'), title: words.refused, note: words.refusedNote, actions: link(LOGIN, words.tryAgain, 'primary') + link('/', words.back) }) })
}

export type Problem = 'noOrder' | 'notFound' | 'staleLogin' | 'snapshot' | 'failed'

const NOTES: Record<Problem, keyof Words> = { noOrder: 'noOrderNote', notFound: 'notFoundNote', staleLogin: 'staleLoginNote', snapshot: 'snapshotNote', failed: 'ours' }

export function problemPage (language: Language, problem: Problem, note = WORDS[language][NOTES[problem]]): string {
  const words = WORDS[language]
  const login = problem === 'staleLogin' ? link(LOGIN, words.tryAgain, 'primary') : ''
  return page({ language, body: message({ kind: problem, icon: icon(problem === 'snapshot' ? 'info' : 'warn'), title: words[problem], note, actions: login + link('/', words.back) }) })
}
