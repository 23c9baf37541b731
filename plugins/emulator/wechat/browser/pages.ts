/** The pages a visitor sees on WeChat's side: the consent page, the cashier, an error. */
import type { Order, User } from '../../state/state.ts'

export const escape = (text: unknown) => String(text).replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`)

const STYLE = `
:root{color-scheme:light dark;--bg:#f7f7f7;--card:#fff;--text:#191919;--dim:#888;--line:#0001;--green:#07c160}
@media(prefers-color-scheme:dark){:root{--bg:#111;--card:#1e1e1e;--text:#e6e6e6;--dim:#8a8a8a;--line:#fff2}}
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
.row{display:flex;justify-content:space-between;gap:16px;padding:10px 0;border-top:1px solid var(--line);font-size:14px}
.row span:first-child{color:var(--dim);flex:none}
.row span:last-child{text-align:right;overflow-wrap:anywhere}
.buttons{margin-top:auto;display:grid;gap:12px;padding-top:24px}
button{font:inherit;font-weight:500;border:0;border-radius:8px;padding:12px;cursor:pointer;background:var(--green);color:#fff}
button.plain{background:#0000000d;color:var(--green)}
@media(prefers-color-scheme:dark){button.plain{background:#ffffff1a}}
small{display:block;text-align:center;color:var(--dim);padding:12px}`

export function page (title: string, body: string): string {
  return '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">' +
    `<title>${escape(title)}</title><style>${STYLE}</style></head><body><main>${body}</main><small>微信模拟器 · WeChat emulator</small></body></html>`
}

export function errorPage (code: number, text: string): string {
  return page('出错了', `<h1>出错了 · Oops</h1><div class="card"><p>${escape(text)}</p><p>错误码 · code ${code}</p></div>`)
}

export function authorizePage (query: Record<string, string | undefined>, users: User[]): string {
  const kept = Object.entries(query).map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`).join('')
  const choices = users.map((user, index) =>
    `<label><input type="radio" name="user" value="${escape(user.openid)}"${index === 0 ? ' checked' : ''}>${escape(user.nickname)}${user.snapshot ? '（快照页 · snapshot）' : ''}</label>`).join('')
  return page('微信登录', `<h1>申请获取你的昵称和头像</h1><p>This page asks for your name and picture.</p>
<form action="authorize_reply" method="get" style="display:contents">${kept}<div class="card">${choices}</div>
<div class="buttons"><button name="action" value="allow" id="allow">允许 · Allow</button><button class="plain" name="action" value="refuse" id="refuse">拒绝 · Refuse</button></div></form>`)
}

/** Shown in a frame over the merchant's page, and tells it the outcome and nothing else; or alone, and then goes `back`. */
export function cashierPage (order: Order, payPath: string, cancelPath: string, back?: string): string {
  const yuan = `${Math.floor(order.total_fee / 100)}.${String(order.total_fee % 100).padStart(2, '0')}`
  return page('微信支付', `<h1 style="text-align:center">微信支付 · WeChat Pay</h1>
<div class="amount" id="amount">¥${yuan}</div>
<div class="card"><div class="row" style="border:0"><span>商品 · Item</span><span>${escape(order.body)}</span></div>
<div class="row"><span>商户单号 · Order</span><span>${escape(order.out_trade_no)}</span></div>
<div class="row"><span>商户号 · Merchant</span><span>${escape(order.mch_id)}</span></div></div>
<p id="problem" role="alert"></p>
<div class="buttons"><button id="pay">支付 · Pay</button><button class="plain" id="cancel">取消 · Cancel</button></div>
<script>
const act = (id, path, outcome) => document.getElementById(id).addEventListener('click', async () => {
  const reply = await fetch(path, { method: 'POST' })
  const back = ${JSON.stringify(back ?? '').replaceAll('<', '\\u003c')}
  if (reply.ok && parent !== window) parent.postMessage({ wechatEmulator: outcome }, '*')
  else if (reply.ok && /^https?:/.test(back)) location.href = back
  else if (reply.ok) document.getElementById('problem').textContent = outcome === 'ok' ? '支付成功 · Paid' : '已取消 · Cancelled'
  else document.getElementById('problem').textContent = (await reply.json()).message
})
act('pay', ${JSON.stringify(payPath)}, 'ok')
act('cancel', ${JSON.stringify(cancelPath)}, 'cancel')
</script>`)
}

/** Where a receiver confirms a transfer: shown in a frame over the page that asked for it. */
export function transferPage ({ amount, remark, transfer_bill_no: id }: { amount: number, remark: string, transfer_bill_no: string }, confirmPath: string): string {
  return page('确认收款', `<h1 style="text-align:center">商家转账 · A transfer for you</h1>
<div class="amount" id="amount">¥${Math.floor(amount / 100)}.${String(amount % 100).padStart(2, '0')}</div>
<div class="card"><div class="row" style="border:0"><span>转账备注 · Remark</span><span>${escape(remark)}</span></div>
<div class="row"><span>转账单号 · Bill</span><span>${escape(id)}</span></div></div>
<p id="problem" role="alert"></p>
<div class="buttons"><button id="pay">确认收款 · Receive</button><button class="plain" id="cancel">取消 · Cancel</button></div>
<script>
const tell = outcome => { if (parent !== window) parent.postMessage({ wechatEmulator: outcome }, '*') }
document.getElementById('cancel').addEventListener('click', () => tell('cancel'))
document.getElementById('pay').addEventListener('click', async () => {
  const reply = await fetch(${JSON.stringify(confirmPath)}, { method: 'POST' })
  document.getElementById('problem').textContent = reply.ok ? '已收款 · Received' : (await reply.json()).message
  if (reply.ok) tell('ok')
})
</script>`)
}
