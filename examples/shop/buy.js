/* global document, fetch, location, wx */
// The page's side of a purchase: configure the SDK, place an order, open WeChat's cashier, look at the order.
(async () => {
  const { words } = document.body.dataset
  const say = JSON.parse(words)
  const status = document.getElementById('status')
  const buy = document.getElementById('buy')
  const show = (text, state) => {
    status.textContent = text
    status.dataset.state = state
  }
  const answer = async reply => {
    const body = await reply.json()
    if (!reply.ok) throw new Error(body.message)
    return body
  }
  const post = async (path, body) => answer(await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body)
  }))

  async function configure () {
    // Signed byte for byte: the address as the browser has it, without the fragment.
    const page = location.href.split('#')[0]
    const config = await answer(await fetch('/wechat/jssdk?url=' + encodeURIComponent(page)))
    await new Promise((resolve, reject) => {
      wx.ready(resolve)
      wx.error(({ errMsg }) => reject(new Error(errMsg)))
      wx.config(config)
    })
    show(say.ready, 'ready')
    buy.disabled = false
  }

  async function purchase () {
    buy.disabled = true
    const { outTradeNo } = await post('/orders', {})
    const params = await post('/wechat/pay', { outTradeNo })
    wx.chooseWXPay({
      ...params,
      // "ok" proves nothing: the order page waits for WeChat's notification.
      success: () => location.assign('/orders/' + outTradeNo),
      cancel: () => location.assign('/orders/' + outTradeNo + '?cancelled=1'),
      fail: ({ errMsg, err_desc: why }) => {
        show(say.failed + (why || errMsg), 'failed')
        buy.disabled = false
      }
    })
  }

  const failed = error => {
    show(say.failed + error.message, 'failed')
    buy.disabled = false
  }
  if (buy) {
    buy.addEventListener('click', () => { purchase().catch(failed) })
    configure().catch(error => show(say.failed + error.message, 'failed'))
  }

  const { order } = document.body.dataset
  if (order) {
    const look = setInterval(async () => {
      const { paid } = await answer(await fetch('/orders/' + order + '/state'))
      if (!paid) return
      clearInterval(look)
      location.replace('/orders/' + order)
    }, 500)
  }
})()
