/* global document, fetch, location, navigator, wx */
// The page's part of a purchase: configure the JS-SDK, place an order, open WeChat's cashier, wait for the result.
(() => {
  const { words, order, wait } = document.body.dataset
  const texts = JSON.parse(words)
  const byId = id => document.getElementById(id)
  const show = (text, state) => {
    byId('status').textContent = text
    byId('status').dataset.state = state
  }

  /** `message` is shown to the buyer; `cause` is logged to the console. */
  const failure = (message, cause) => Object.assign(new Error(message), { cause })
  async function ask (path, options) {
    let reply
    try {
      reply = await fetch(path, options)
    } catch (error) {
      throw failure(texts.offline, error)
    }
    const body = await reply.json()
    if (!reply.ok) throw failure(body.message, 'HTTP ' + reply.status + ' ' + path)
    return body
  }
  const post = (path, body = {}) => ask(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body)
  })
  function failed (error) {
    console.error(error, error.cause ?? '')
    show(error.message, 'failed')
  }

  async function configure () {
    // The signature covers the exact URL, without the fragment.
    const page = location.href.split('#')[0]
    const config = await ask('/wechat/jssdk?url=' + encodeURIComponent(page))
    await new Promise((resolve, reject) => {
      wx.ready(resolve)
      wx.error(({ errMsg }) => reject(failure(texts.failed, errMsg)))
      wx.config(config)
    })
  }

  async function pay (outTradeNo) {
    const params = await post('/wechat/pay', { outTradeNo })
    await new Promise((resolve, reject) => wx.chooseWXPay({
      ...params,
      // "ok" is no proof of payment: the order page waits for WeChat's notification.
      success: () => resolve(location.assign('/orders/' + outTradeNo)),
      cancel: () => resolve(location.assign('/orders/' + outTradeNo + '?cancelled=1')),
      fail: ({ errMsg, err_desc: why }) => reject(failure(texts.failed, errMsg + ' ' + (why ?? '')))
    }))
  }

  /** Enables the button when the SDK is configured, and again after a failure. */
  function onPay (button, outTradeNo) {
    const enable = () => { button.disabled = false }
    button.addEventListener('click', async () => {
      button.disabled = true
      show('', 'paying')
      try {
        await ready()
        await pay(await outTradeNo())
      } catch (error) {
        failed(error)
        enable()
      }
    })
    ready().then(() => show('', 'ready')).catch(failed).finally(enable)
  }

  /** Runs once, and again after a failure. */
  let configured
  function ready () {
    configured ??= configure().catch(error => {
      configured = undefined
      throw error
    })
    return configured
  }

  if (byId('buy')) onPay(byId('buy'), async () => (await post('/orders')).outTradeNo)
  if (byId('pay-order')) onPay(byId('pay-order'), async () => order)

  /** Milliseconds between polls, and until the page stops polling. */
  const POLL_INTERVAL = 500
  const POLL_TIMEOUT = 30_000

  const waiting = byId('outcome')
  function waitForPayment () {
    const until = Date.now() + POLL_TIMEOUT
    const poll = setInterval(async () => {
      // After a failed poll, the next one follows.
      const { paid } = await ask('/orders/' + order + '/state').catch(() => ({ paid: false }))
      if (!paid && Date.now() < until) return
      clearInterval(poll)
      if (paid) location.replace('/orders/' + order)
      else showLate()
    }, POLL_INTERVAL)
  }

  function showLate () {
    const late = byId('late').content.cloneNode(true)
    byId('outcome').replaceWith(late)
    onPay(byId('pay-order'), async () => order)
    onCheck(byId('check'), () => {
      byId('outcome').replaceWith(waiting)
      waitForPayment()
    })
  }

  /** Queries WeChat, because its notification may be lost. */
  function onCheck (button, notPaid) {
    button.addEventListener('click', async () => {
      button.disabled = true
      try {
        const { paid } = await post('/orders/' + order + '/check')
        if (paid) return location.replace('/orders/' + order)
        notPaid()
      } catch (error) {
        failed(error)
      }
      button.disabled = false
    })
  }

  if (wait !== undefined) waitForPayment()
  // An expired order's page: the late page of a waiting order is still in its template.
  if (byId('check')) onCheck(byId('check'), () => show(texts.notPaid, ''))

  document.addEventListener('click', async ({ target }) => {
    const { copy } = target.dataset
    if (copy === undefined) return
    try {
      await navigator.clipboard.writeText(copy)
      show(texts.copied, 'copied')
    } catch {
      // Without https there is no clipboard API: select the text for the phone's copy menu.
      document.getSelection().selectAllChildren(target.previousElementSibling)
    }
  })
})()
