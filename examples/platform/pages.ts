/** The pages of all shops, and their script. */
import type { PlatformOrder, Shop } from './records.ts'

const escape = (text: string) => text.replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`)
const yuan = (fen: number) => `${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, '0')}`

const page = (title: string, body: string, { base = '', head = '' } = {}) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escape(title)}</title><link rel="stylesheet" href="/assets/style.css"><link rel="icon" href="data:,">${head}</head><body data-base="${escape(base)}"><main>${body}</main></body></html>`

export function shopPage (shop: Shop, base: string, isKnown: boolean, bridge: string | undefined): string {
  const scripts = [...bridge ? [bridge] : [], '/assets/jweixin.js', '/assets/platform.js'].map(src => `<script src="${escape(src)}"${src.endsWith('platform.js') ? ' defer' : ''}></script>`).join('')
  const action = isKnown
    ? '<button class="weui-btn weui-btn_primary" id="buy" disabled>Buy</button>'
    : `<a class="weui-btn weui-btn_primary" id="login" href="${escape(base)}/wechat/oauth/authorize?returnTo=${encodeURIComponent(base)}">Log in with WeChat</a>`
  return page(shop.name, `<section class="product"><h1>${escape(shop.name)}</h1><div class="price"><small>¥</small>${yuan(shop.price)}</div></section><div class="actions">${action}<div id="status" role="status"></div></div>`, { base, head: scripts })
}

export function orderPage (shop: Shop, { outTradeNo, amount, transactionId }: PlatformOrder): string {
  const state = transactionId === undefined ? 'waiting' : 'paid'
  // Reload until the notification has arrived.
  const refresh = state === 'waiting' ? '<meta http-equiv="refresh" content="1">' : ''
  return page(shop.name, `<div id="outcome" data-state="${state}"><h2>${state === 'paid' ? 'Paid' : 'Waiting for the payment'}</h2><p>${escape(shop.name)}: ¥${yuan(amount)}</p><p>${outTradeNo} ${transactionId ?? ''}</p></div>`, { head: refresh })
}

export const SCRIPT = `(async () => {
  const { base } = document.body.dataset
  const buy = document.getElementById('buy')
  const status = document.getElementById('status')
  const answer = async reply => {
    const body = await reply.json()
    if (!reply.ok) throw new Error(body.message)
    return body
  }
  const post = async (path, body) => answer(await fetch(base + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }))
  const failed = error => { status.textContent = error.message; status.dataset.state = 'failed' }
  if (!buy) return
  buy.addEventListener('click', async () => {
    try {
      const { outTradeNo } = await post('/orders', {})
      wx.chooseWXPay({
        ...await post('/wechat/pay', { outTradeNo }),
        success: () => location.assign(base + '/orders/' + outTradeNo),
        fail: ({ errMsg }) => failed(new Error(errMsg))
      })
    } catch (error) { failed(error) }
  })
  try {
    const config = await answer(await fetch(base + '/wechat/jssdk?url=' + encodeURIComponent(location.href.split('#')[0])))
    await new Promise((resolve, reject) => {
      wx.ready(resolve)
      wx.error(({ errMsg }) => reject(new Error(errMsg)))
      wx.config(config)
    })
    status.dataset.state = 'ready'
    buy.disabled = false
  } catch (error) { failed(error) }
})()
`
