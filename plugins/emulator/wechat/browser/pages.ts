/** The pages a visitor sees at WeChat: login consent, cashier, errors. */
import type { FastifyRequest } from 'fastify'
import type { Order, State, User } from '../../state/state.ts'

export const escape = (text: unknown) => String(text).replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`)

const STYLE = `
:root{color-scheme:light dark;--bg:#f7f7f7;--card:#fff;--text:#191919;--dim:#666;--line:#0001;--green:#07c160}
@media(prefers-color-scheme:dark){:root{--bg:#111;--card:#1e1e1e;--text:#e6e6e6;--dim:#9a9a9a;--line:#fff2}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;flex-direction:column;background:var(--bg);color:var(--text);font:16px/1.5 -apple-system,"PingFang SC","Noto Sans CJK SC","Helvetica Neue",sans-serif}
main{flex:1;width:100%;max-width:480px;margin:0 auto;padding:32px 24px;display:flex;flex-direction:column}
h1{font-size:20px;font-weight:500;margin:0 0 8px}
p{margin:0 0 8px;color:var(--dim);font-size:14px;overflow-wrap:anywhere}
.card{background:var(--card);border-radius:12px;padding:20px;margin:16px 0}
label{display:flex;gap:12px;align-items:center;padding:12px 0;border-bottom:1px solid var(--line)}
label:last-child{border:0}
input{accent-color:var(--green);width:18px;height:18px}
.amount{font-size:44px;font-weight:600;text-align:center;margin:8px 0 0}
.row{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 16px;padding:10px 0;border-top:1px solid var(--line);font-size:14px}
.row span:first-child{color:var(--dim);flex:none}
.row span:last-child{text-align:right;overflow-wrap:anywhere;margin-left:auto}
.row .id{white-space:nowrap}
.buttons{margin-top:auto;display:grid;gap:12px;padding-top:24px}
button{font:inherit;font-weight:500;border:0;border-radius:8px;padding:12px;cursor:pointer;background:#06803d;color:#fff}
button.plain{background:#0000000d;color:#06703a}
@media(prefers-color-scheme:dark){button.plain{background:#ffffff1a;color:#4bd488}}
code{font:13px/1.5 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
h2{font-size:15px;font-weight:500;margin:0 0 6px}
small{display:block;text-align:center;color:var(--dim);padding:12px}`

/** The browser's language. */
export type Language = 'zh' | 'en'

export const languageOf = ({ headers }: Pick<FastifyRequest, 'headers'>): Language => /^\s*en/i.test(headers['accept-language'] ?? '') ? 'en' : 'zh'

const WORDS = {
  zh: {
    by: '微信模拟器',
    failed: '出错了',
    code: '错误码',
    whatToDo: '开发者可以这样处理',
    calls: '每次调用和结论都在模拟器的面板中',
    login: '微信登录',
    asks: '申请获取你的昵称和头像',
    as: '以谁的身份登录',
    snapshot: '（快照页虚拟账号）',
    allow: '允许',
    refuse: '拒绝',
    account: '模拟公众号',
    pay: '微信支付',
    item: '商品',
    order: '商户单号',
    merchant: '收款方',
    mchId: '商户号',
    payNow: '支付',
    cancel: '取消',
    paid: '支付成功',
    cancelled: '已取消',
    shop: '模拟商户',
    transfer: '商家转账',
    remark: '转账备注',
    bill: '转账单号',
    payer: '付款方',
    receive: '确认收款',
    received: '已收款'
  },
  en: {
    by: 'WeChat emulator',
    failed: 'Something went wrong',
    code: 'Error code',
    whatToDo: 'What to do',
    calls: 'See every call and its result in the dashboard',
    login: 'WeChat login',
    asks: 'asks for your nickname and avatar',
    as: 'Log in as',
    snapshot: ' (virtual account, snapshot page)',
    allow: 'Allow',
    refuse: 'Refuse',
    account: 'Emulated Official Account',
    pay: 'WeChat Pay',
    item: 'Item',
    order: 'Order number',
    merchant: 'Payee',
    mchId: 'mch_id',
    payNow: 'Pay',
    cancel: 'Cancel',
    paid: 'Paid',
    cancelled: 'Cancelled',
    shop: 'Emulated merchant',
    transfer: 'Transfer from a merchant',
    remark: 'Remark',
    bill: 'Transfer number',
    payer: 'Payer',
    receive: 'Accept',
    received: 'Accepted'
  }
} as const

/** Cause and fix of each error, for developers: WeChat itself only shows the code. */
const ADVICE: Record<number, Record<Language, string>> = {
  10013: { en: 'This emulator does not have the appid in the URL. Use the appId that it prints at startup (GET /_emulator/config), or start it with --app-id.', zh: '地址中的 appid 不是本模拟器的账号：请使用启动时打印的 appId（GET /_emulator/config），或用 --app-id 指定。' },
  10003: { en: 'redirect_uri must be an absolute, URL-encoded URL. Its host must be localhost, 127.0.0.1, or listed in the emulator\'s domains option; at WeChat, the domain configured for web-page authorization.', zh: 'redirect_uri 必须是经过 URL 编码的完整地址，域名须为 localhost、127.0.0.1 或模拟器选项 domains 中的域名；真实环境中须是后台设置的网页授权域名。' },
  10004: { en: 'Set response_type=code.', zh: '请设置 response_type=code。' },
  10005: { en: 'Set scope to snsapi_base or snsapi_userinfo.', zh: 'scope 只能是 snsapi_base 或 snsapi_userinfo。' },
  404: { en: 'This order (or transfer) does not exist, or its prepay_id is more than two hours old. Place it again with the same number.', zh: '本模拟器没有这笔订单（或转账），或 prepay_id 已超过两小时：请用原单号重新下单。' },
  [-1]: { en: 'The browser sent no Referer: an H5 payment must be opened from one of the merchant\'s pages. Do not set referrerpolicy="no-referrer", and do not type the URL.', zh: 'H5 支付必须从商户页面打开：浏览器没有发送 Referer。请不要设置 no-referrer，也不要手工输入该地址。' }
}

const ICON = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><circle cx='8' cy='8' r='8' fill='%2307c160'/><path d='M4 8.5l3 3 5-6' fill='none' stroke='white' stroke-width='2'/></svg>"

export function page (language: Language, title: string, body: string): string {
  return `<!doctype html><html lang="${language === 'zh' ? 'zh-CN' : 'en'}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">` +
    `<title>${escape(title)}</title><link rel="icon" href="${ICON}"><style>${STYLE}</style></head><body><main>${body}</main><footer><small>${WORDS[language].by}</small></footer></body></html>`
}

const yuan = (fen: number) => `¥${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, '0')}`
/** `kind`: an id is not wrapped. */
const row = (name: string, value: string, kind: 'first' | 'id' | '' = '') => `<div class="row"${kind === 'first' ? ' style="border:0"' : ''}><span>${name}</span><span translate="no"${kind === 'id' ? ' class="id"' : ''}>${escape(value)}</span></div>`

/** `text`: WeChat's message. */
export function errorPage (language: Language, code: number, text: string): string {
  const words = WORDS[language]
  const advice = ADVICE[code]?.[language]
  return page(language, words.failed, `<h1>${words.failed}</h1><div class="card"><p lang="zh-CN" translate="no">${escape(text)}</p><p data-wechat-code="${code}">${words.code} ${code}</p></div>` +
    `<div class="card"><h2>${words.whatToDo}</h2>${advice === undefined ? '' : `<p>${escape(advice)}</p>`}<p><a href="/_emulator/dashboard#calls" style="color:inherit" target="_blank" rel="noopener">${words.calls}</a></p></div>`)
}

/** The account's name and appId, as shown to users. */
const accountName = (language: Language, { account, appName }: State) => `${appName ?? WORDS[language].account} · ${account.appId}`

export function authorizePage (language: Language, query: Record<string, string | undefined>, state: State, users: User[]): string {
  const words = WORDS[language]
  const kept = Object.entries(query).map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`).join('')
  const choices = users.map((user, index) =>
    `<label><input type="radio" name="user" value="${escape(user.openid)}"${index === 0 ? ' checked' : ''}><span translate="no">${escape(user.nickname)}</span>${user.snapshot ? words.snapshot : ''}</label>`).join('')
  return page(language, words.login, `<p id="asker" translate="no">${escape(accountName(language, state))}</p><h1>${words.asks}</h1>
<form action="authorize_reply" method="get" style="display:contents">${kept}<div class="card" role="group" aria-label="${words.as}">${choices}</div>
<div class="buttons"><button name="action" value="allow" id="allow">${words.allow}</button><button class="plain" name="action" value="refuse" id="refuse">${words.refuse}</button></div></form>`)
}

/** Shown in an iframe over the merchant's page, which receives only the outcome; or alone, and then redirects to `back`. */
export function cashierPage (language: Language, order: Order, state: State, { pay, cancel, back }: { pay: string, cancel: string, back?: string | undefined }): string {
  const words = WORDS[language]
  return page(language, words.pay, `<h1 style="text-align:center">${words.pay}</h1>
<div class="amount" id="amount">${yuan(order.total_fee)}</div>
<div class="card">${row(words.merchant, state.merchantName ?? words.shop, 'first')}${row(words.item, order.body)}${row(words.order, order.out_trade_no, 'id')}${row(words.mchId, order.sub_mch_id || order.mch_id)}</div>
<p id="problem" role="alert"></p>
<div class="buttons"><button id="pay">${words.payNow}</button><button class="plain" id="cancel">${words.cancel}</button></div>
<script>
const act = (id, path, outcome) => document.getElementById(id).addEventListener('click', async () => {
  const reply = await fetch(path, { method: 'POST' })
  const back = ${JSON.stringify(back ?? '').replaceAll('<', '\\u003c')}
  if (reply.ok && parent !== window) parent.postMessage({ wechatEmulator: outcome }, '*')
  else if (reply.ok && /^https?:/.test(back)) location.href = back
  else if (reply.ok) document.getElementById('problem').textContent = outcome === 'ok' ? '${words.paid}' : '${words.cancelled}'
  else document.getElementById('problem').textContent = (await reply.json()).message
})
act('pay', ${JSON.stringify(pay)}, 'ok')
act('cancel', ${JSON.stringify(cancel)}, 'cancel')
</script>`)
}

/** The receiver confirms a transfer here; shown in an iframe over the page that requested it. */
export function transferPage (language: Language, { amount, remark, transfer_bill_no: id }: { amount: number, remark: string, transfer_bill_no: string }, state: State, confirmPath: string): string {
  const words = WORDS[language]
  return page(language, words.transfer, `<h1 style="text-align:center">${words.transfer}</h1>
<div class="amount" id="amount">${yuan(amount)}</div>
<div class="card">${row(words.payer, state.merchantName ?? words.shop, 'first')}${row(words.remark, remark)}${row(words.bill, id, 'id')}</div>
<p id="problem" role="alert"></p>
<div class="buttons"><button id="pay">${words.receive}</button><button class="plain" id="cancel">${words.cancel}</button></div>
<script>
const report = outcome => { if (parent !== window) parent.postMessage({ wechatEmulator: outcome }, '*') }
document.getElementById('cancel').addEventListener('click', () => report('cancel'))
document.getElementById('pay').addEventListener('click', async () => {
  const reply = await fetch(${JSON.stringify(confirmPath)}, { method: 'POST' })
  document.getElementById('problem').textContent = reply.ok ? '${words.received}' : (await reply.json()).message
  if (reply.ok) report('ok')
})
</script>`)
}
