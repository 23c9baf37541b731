/* global document, fetch, location, navigator, wx */
// The page's side of a purchase: configure the SDK, place an order, open WeChat's cashier, wait for the outcome.
(() => {
  const { words, order, wait } = document.body.dataset
  const say = JSON.parse(words)
  const byId = id => document.getElementById(id)
  const show = (text, state) => {
    byId('status').textContent = text
    byId('status').dataset.state = state
  }

  /** What the buyer reads; `cause` is for whoever looks into the console. */
  const failure = (told, cause) => Object.assign(new Error(told), { cause })
  async function ask (path, options) {
    let reply
    try {
      reply = await fetch(path, options)
    } catch (error) {
      throw failure(say.offline, error)
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
    // Signed byte for byte: the address as the browser has it, without the fragment.
    const page = location.href.split('#')[0]
    const config = await ask('/wechat/jssdk?url=' + encodeURIComponent(page))
    await new Promise((resolve, reject) => {
      wx.ready(resolve)
      wx.error(({ errMsg }) => reject(failure(say.failed, errMsg)))
      wx.config(config)
    })
  }

  async function pay (outTradeNo) {
    const params = await post('/wechat/pay', { outTradeNo })
    await new Promise((resolve, reject) => wx.chooseWXPay({
      ...params,
      // "ok" proves nothing: the order page waits for WeChat's notification.
      success: () => resolve(location.assign('/orders/' + outTradeNo)),
      cancel: () => resolve(location.assign('/orders/' + outTradeNo + '?cancelled=1')),
      fail: ({ errMsg, err_desc: why }) => reject(failure(say.failed, errMsg + ' ' + (why ?? '')))
    }))
  }

  /** A button that works once the SDK is configured, and again after a failure. */
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

  /** Once; after a failure again. */
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

  /** Milliseconds between two looks, and until the buyer is no longer kept waiting. */
  const LOOK = 500
  const PATIENCE = 30_000

  const waiting = byId('outcome')
  function waitForPayment () {
    const until = Date.now() + PATIENCE
    const look = setInterval(async () => {
      // A look that fails is followed by the next.
      const { paid } = await ask('/orders/' + order + '/state').catch(() => ({ paid: false }))
      if (!paid && Date.now() < until) return
      clearInterval(look)
      if (paid) location.replace('/orders/' + order)
      else showLate()
    }, LOOK)
  }

  function showLate () {
    const late = byId('late').content.cloneNode(true)
    byId('outcome').replaceWith(late)
    onPay(byId('pay-order'), async () => order)
    byId('check').addEventListener('click', async event => {
      event.target.disabled = true
      try {
        // WeChat is asked: its notification may be lost.
        const { paid } = await post('/orders/' + order + '/check')
        if (paid) return location.replace('/orders/' + order)
        byId('outcome').replaceWith(waiting)
        waitForPayment()
      } catch (error) {
        event.target.disabled = false
        failed(error)
      }
    })
  }
  if (wait !== undefined) waitForPayment()

  document.addEventListener('click', async ({ target }) => {
    const { copy } = target.dataset
    if (copy === undefined) return
    try {
      await navigator.clipboard.writeText(copy)
      show(say.copied, 'copied')
    } catch {
      // Without https there is no clipboard: it is marked, for the phone's own menu.
      document.getSelection().selectAllChildren(target.previousElementSibling)
    }
  })
})()
