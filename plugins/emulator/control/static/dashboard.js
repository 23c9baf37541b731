// The dashboard: shows what `state` answers, asks again whenever `events` says that something changed.
// Whatever an app sent is put on the page as text, never as HTML.

import { CALL_FAULTS, HAPPENED, NEWS_FAULTS, RECORD_STATES, STATES, TABLES, WORDS } from './words.js'
import { openPlatformPanel } from './open-platform.js'

const { location } = window
/** As good as for ever. */
const ALWAYS = 1e9

/** 0: English, 1: Chinese. */
let language = (localStorage.getItem('wechat-emulator-language') ?? navigator.language).startsWith('zh') ? 1 : 0
const PANELS = ['orders', 'transfers', 'sharing', 'services', 'complaints', 'messages', 'calls', 'notifications', 'platform', 'trouble']
/** Panels that show no records. */
const NO_RECORDS = new Set(['platform', 'trouble'])
/** `#calls`, or `#calls/words that are looked for`. */
const [first, looked = ''] = decodeURIComponent(location.hash.slice(1)).split('/')
let tab = PANELS.includes(first) ? first : 'orders'
let search = looked
let page = 1
let state
/** What is shown of the open tab: `total`, `page`, `pages`, `items`. */
let records
const say = word => WORDS[word][language]
const byId = id => document.getElementById(id)

function h (tag, props = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value)
  }
  node.append(...children.filter(child => child !== undefined))
  return node
}

async function ask (path, method = 'GET', body) {
  const reply = await fetch(path, { method, ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) })
  const answer = await reply.json()
  if (!reply.ok) throw new Error(answer.message)
  return answer
}

let toastTimer
function toast (text) {
  byId('toast').textContent = text
  byId('toast').classList.add('shown')
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => byId('toast').classList.remove('shown'), 2500)
}

const act = (path, body, method = 'POST') => async () => {
  try {
    await ask(path, method, body)
    toast(say('done'))
  } catch (error) {
    toast(error.message)
  }
  await refresh()
}

const yuan = fen => `¥${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, '0')}`
const time = at => h('time', { datetime: at }, new Date(at).toLocaleTimeString(language ? 'zh-CN' : 'en-GB'))
const badge = (kind, text) => h('span', { class: `badge ${kind}` }, text)

// Nodes are kept while what they show is the same, so that what is open, selected or focused stays so.
function sync (parent, items, keyOf, render, empty) {
  const old = new Map([...parent.children].map(node => [node.dataset.key, node]))
  let before = parent.firstElementChild
  for (const item of items) {
    const print = JSON.stringify([language, item])
    const key = keyOf(item)
    let node = old.get(key)
    old.delete(key)
    if (node?.dataset.print !== print) {
      const fresh = render(item)
      fresh.dataset.key = key
      fresh.dataset.print = print
      if (node === before) before = before?.nextElementSibling ?? null
      if (node?.open) fresh.open = true
      node?.remove()
      node = fresh
    }
    if (node === before) before = before.nextElementSibling
    else parent.insertBefore(node, before)
  }
  for (const node of old.values()) node.remove()
  if (items.length === 0) parent.append(h('p', { class: 'empty', 'data-key': 'empty' }, empty))
}

function happened (what) {
  const [, fen] = /^refund of (\d+) asked for$/.exec(what) ?? []
  if (fen) return `${say('refundAsked')} ${yuan(fen)}`
  return language ? HAPPENED[what] ?? what : what
}

function lifeLine (order) {
  const events = [
    ...order.history.map(({ at, what }) => ({ at, what: happened(what), kind: /paid/.test(what) ? 'good' : /cancel|closed|expired/.test(what) ? 'bad' : '' })),
    ...order.deliveries.map(({ at, accepted, about }) => ({ at, what: `${say(accepted ? 'notified' : 'notNotified')} (${about})`, kind: accepted ? 'good' : 'bad' })),
    ...order.refunds.map(refund => ({ at: refund.at, what: `${STATES.REFUND[language]} ${yuan(refund.refund_fee)} ${refund.refund_status}`, kind: refund.refund_status === 'SUCCESS' ? 'good' : '' }))
  ].sort((one, other) => one.at < other.at ? -1 : 1)
  return h('ol', { class: 'life' }, ...events.map(({ at, what, kind }) => h('li', { class: kind }, what, time(at))))
}

function orderCard (order) {
  const path = `orders/${encodeURIComponent(order.out_trade_no)}`
  const query = order.sub_mch_id ? `?sub_mch_id=${order.sub_mch_id}` : ''
  const isOpen = order.trade_state === 'NOTPAY' || order.trade_state === 'USERPAYING'
  const isPaid = order.trade_state === 'SUCCESS' || order.trade_state === 'REFUND'
  const left = order.total_fee - order.refunds.reduce((sum, refund) => sum + refund.refund_fee, 0)
  return h('article', { class: 'card order' },
    h('div', { class: 'head' },
      h('span', { class: 'amount' }, yuan(order.total_fee)),
      h('span', { class: 'name' }, order.body),
      badge(isPaid ? 'good' : isOpen ? 'odd' : 'bad', STATES[order.trade_state][language])),
    h('p', { class: 'ids' }, [order.out_trade_no, order.trade_type, order.sign_type === 'RSA' ? 'APIv3' : `v2 ${order.sign_type}`, order.transaction_id].filter(Boolean).join(' · ')),
    lifeLine(order),
    isOpen || (isPaid && left > 0)
      ? h('div', { class: 'actions' },
        ...isOpen ? [h('button', { type: 'button', class: 'main', onclick: act(`${path}/pay${query}`) }, say('pay')), h('button', { type: 'button', onclick: act(`${path}/cancel${query}`) }, say('cancel'))] : [],
        isPaid && left > 0 ? h('button', { type: 'button', onclick: act(`${path}/refund${query}`) }, `${say('refund')} ${yuan(left)}`) : undefined)
      : undefined)
}

/** `load` makes the inside when it is first opened. */
function folder (head, load) {
  const inside = h('div', { class: 'inside' })
  const node = h('details', { class: 'card' }, h('summary', {}, ...head), inside)
  node.addEventListener('toggle', async () => {
    if (node.open && inside.childElementCount === 0) inside.append(...await load())
  })
  return node
}

const part = (title, text) => [h('h3', {}, title), h('pre', {}, text === '' ? '—' : text)]

/** The same text, with a mark where it begins to differ. */
function marked (text, at) {
  if (at === undefined) return h('pre', {}, text)
  return h('pre', {}, text.slice(0, at), h('mark', {}, text.slice(at, at + 1).replace('\n', '⏎\n') || '∎'), text.slice(at + 1))
}

function explanationParts ({ mistakes, expected, implied, difference, signature, algorithm }) {
  return [
    h('ul', { class: 'mistakes' }, ...mistakes.map(mistake => h('li', {}, language ? mistake.zh : mistake.en))),
    h('div', { class: 'pair' },
      h('div', {}, h('h3', {}, say('expected')), marked(expected, difference?.at)),
      h('div', {}, h('h3', {}, say('implied')), implied === undefined ? h('pre', {}, say('notKnown')) : implied === expected ? h('pre', {}, say('sameText')) : marked(implied, difference?.at))),
    ...part(`${say('signature')} · ${say('algorithm')}: ${algorithm}`, signature)
  ]
}

const VERDICTS = { accepted: 'good', refused: 'bad', broken: 'odd' }

function callCard (call) {
  const [path] = call.url.split('?')
  const hints = (call.explanation?.mistakes ?? []).map(mistake => language ? mistake.zh : mistake.en)
  const why = [call.reason, ...hints].filter(Boolean).join(' — ')
  return folder([
    time(call.at), h('span', { class: 'what' }, `${call.method} ${path}${call.out_trade_no ? ` · ${call.out_trade_no}` : ''}`),
    badge(VERDICTS[call.verdict], `${say(call.verdict)} ${call.status}`),
    ...why ? [h('span', { class: 'why' }, why)] : []
  ], async () => {
    const { request, reply, explanation, url, method } = await ask(`calls/${call.id}`)
    return [...explanation ? explanationParts(explanation) : [], ...part(say('request'), `${method} ${url}\n\n${request}`), ...part(say('reply'), reply)]
  })
}

/** Anything but an order: what it is, how much, how it stands, when what happened to it, and all that is known of it. */
function recordCard ({ table, number, name, amount, state, at, record }) {
  const events = [...at ? [{ at, what: TABLES[table]?.[language] ?? table }] : [], ...(record.history ?? []).map(({ at, what, type, details }) => ({ at, what: happened(what ?? [type, details].filter(Boolean).join(' ')) }))]
  const kind = /^(SUCCESS|FINISHED|PROCESSED|DONE|SIGNED)$/.test(state) ? 'good' : /FAIL|CANCEL|CLOSE|REVOKED|EXPIRED|TERMINATED/.test(state) ? 'bad' : 'odd'
  return h('article', { class: 'card order' },
    h('div', { class: 'head' },
      ...amount === undefined ? [] : [h('span', { class: 'amount' }, yuan(amount))],
      h('span', { class: 'name' }, name || TABLES[table]?.[language] || table),
      ...state ? [badge(kind, RECORD_STATES[state]?.[language] ?? state)] : []),
    h('p', { class: 'ids' }, [number, record.openid, record.transaction_id, record.out_trade_no].filter(Boolean).join(' · ')),
    h('ol', { class: 'life' }, ...events.map(({ at, what }) => h('li', {}, what, time(at)))),
    h('div', { class: 'actions' },
      ...state === 'WAIT_USER_CONFIRM' ? [h('button', { type: 'button', class: 'main', onclick: act(`transfers/${encodeURIComponent(number)}/confirm${record.sub_mch_id ? `?sub_mch_id=${record.sub_mch_id}` : ''}`) }, say('confirm'))] : []),
    folder([h('span', { class: 'what' }, say('everything'))], async () => [h('pre', {}, JSON.stringify(record, null, 2))]))
}

function newsCard (news) {
  const headers = Object.entries(news.request.headers).map(([name, value]) => `${name}: ${value}`).join('\n')
  return folder([
    time(news.sent_at), h('span', { class: 'what' }, `${news.about} · ${news.info_type || news.out_refund_no || news.out_trade_no} · ${say('attempt')} ${news.attempt}`),
    badge(news.accepted ? 'good' : 'bad', `${say(news.accepted ? 'accepted' : 'notAccepted')} ${news.reply?.status ?? ''}`),
    h('button', { type: 'button', class: 'quiet', onclick: event => { event.preventDefault(); act(`notifications/${news.id}/resend`)() } }, say('resend')),
    ...news.error ? [h('span', { class: 'why' }, news.error)] : []
  ], async () => [...part(say('request'), `POST ${news.url}\n${headers}\n\n${news.request.body}`), ...part(say('reply'), news.error ?? (news.reply ? `${news.reply.status}\n\n${news.reply.body}` : ''))])
}

let faultPath = ''
function troublePanel () {
  const activeCall = state.faults[0]?.kind
  const activeNews = state.notificationFaults[0]?.kind
  const set = (call, news) => async () => {
    await ask('faults', 'DELETE')
    if (call) await ask('faults', 'POST', { kind: call, times: ALWAYS, ms: 3000, ...(faultPath && { path: faultPath }) })
    if (news) await ask('notifications/faults', 'POST', { kind: news, times: ALWAYS, ms: 3000 })
    await refresh()
  }
  const one = ([kind, ...words], on, onclick) => h('button', { type: 'button', role: 'switch', class: 'switch', 'aria-checked': String(on), 'data-kind': kind, onclick }, h('span', {}, kind, h('small', {}, words[language])))
  const paths = h('select', { 'aria-label': say('callFaults'), onchange: event => { faultPath = event.target.value; set(activeCall, activeNews)() } },
    ...['', '/cgi-bin', '/sns', '/pay', '/secapi', '/v3'].map(path => h('option', { value: path, ...(path === (state.faults[0]?.path ?? faultPath) && { selected: '' }) }, path === '' ? say('anyPath') : `${path}…`)))
  const modes = h('select', { 'aria-label': say('keyMode'), onchange: event => act('keys/mode', { mode: event.target.value })() },
    ...['public-key', 'certificate', 'both'].map(mode => h('option', { value: mode, ...(mode === state.keyMode && { selected: '' }) }, mode)))
  const tool = (word, ...how) => h('button', { type: 'button', 'data-tool': word, onclick: act(...how) }, say(word))
  return h('div', { class: 'columns' },
    h('div', { class: 'card' }, h('h2', {}, say('callFaults'), ' ', paths), ...CALL_FAULTS.map(fault => one(fault, fault[0] === activeCall, set(fault[0] === activeCall ? '' : fault[0], activeNews)))),
    h('div', { class: 'card' }, h('h2', {}, say('newsFaults')), ...NEWS_FAULTS.map(fault => one(fault, fault[0] === activeNews, set(activeCall, fault[0] === activeNews ? '' : fault[0])))),
    h('div', { class: 'card' }, h('h2', {}, say('tools')),
      h('p', { class: 'ids' }, `${say('issued')}: ${state.tokens.tokens} access_token, ${state.tokens.tickets} ticket · ${say('balance')} ${yuan(state.balance)}`),
      h('p', { class: 'ids' }, new Date(state.now).toLocaleString(language ? 'zh-CN' : 'en-GB')),
      h('div', { class: 'actions' },
        tool('expire', 'tokens/expire', {}), tool('expireAll', 'tokens/expire', { tickets: true }),
        tool('fiveMinutes', 'clock/advance', { ms: 300_000 }), tool('twoHours', 'clock/advance', { ms: 7200_000 }), tool('day', 'clock/advance', { ms: 86_400_000 }), tool('today', 'clock/reset'),
        tool('rotate', 'keys/rotate')),
      h('h3', { class: 'ids' }, say('keyMode')), modes))
}

function show () {
  document.documentElement.lang = language ? 'zh-CN' : 'en'
  document.title = say('title')
  for (const node of document.querySelectorAll('[data-text]')) node.textContent = say(node.dataset.text)
  byId('language').textContent = say('language')
  sync(byId('tabs'), PANELS.filter(name => name !== 'platform' || state?.openPlatform).map(name => ({ name, on: name === tab, count: state?.counts[name] })), ({ name }) => name, ({ name, on, count }) =>
    h('button', { type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': name, 'aria-selected': String(on), onclick: () => go(name, '') }, say(name), ...count === undefined ? [] : [h('b', {}, String(count))]))
  byId('find').hidden = NO_RECORDS.has(tab)
  byId('search').placeholder = say('search')
  byId('search').setAttribute('aria-label', say('search'))
  if (document.activeElement !== byId('search')) byId('search').value = search
  for (const panel of document.querySelectorAll('[role=tabpanel]')) panel.hidden = panel.id !== tab
  if (!state) return
  byId('account').textContent = `appId ${state.appId} · mchId ${state.mchId}`
  if (records) {
    const { area, total, page: at, pages, items } = records
    const empty = say(search ? 'noneFound' : EMPTY[area] ?? 'noRecords')
    if (area === tab) sync(byId(area), items, CARDS[area]?.key ?? (({ key }) => key), CARDS[area]?.render ?? recordCard, empty)
    byId('pager').hidden = pages < 2 || NO_RECORDS.has(tab)
    byId('place').textContent = `${at} / ${pages} · ${total}`
    byId('newer').disabled = at <= 1
    byId('older').disabled = at >= pages
  }
  for (const name of ['newer', 'older']) byId(name).textContent = say(name)
  sync(byId('trouble'), [{ faults: state.faults, notificationFaults: state.notificationFaults, tokens: state.tokens, balance: state.balance, keyMode: state.keyMode, minute: state.now.slice(0, 16) }], () => 'trouble', troublePanel)
  if (state.openPlatform) sync(byId('platform'), [state.openPlatform], () => 'platform', platform => openPlatformPanel(platform, { h, say, act, badge, time, language }))
  const named = state.names.length > 1
  byId('accounts').hidden = !named
  if (named && byId('accounts').childElementCount === 0) {
    const own = location.pathname.replace(/\/?_emulator\/.*$/, '').slice(1)
    byId('accounts').append(...state.names.map(name => h('option', { value: name, ...(name === own && { selected: '' }) }, name || '—')))
    byId('accounts').addEventListener('change', event => { location.pathname = `${event.target.value && `/${event.target.value}`}/_emulator/dashboard` })
  }
}

const CARDS = {
  orders: { key: order => `${order.sub_mch_id}/${order.out_trade_no}`, render: orderCard },
  calls: { key: ({ id }) => id, render: callCard },
  notifications: { key: ({ id }) => id, render: newsCard }
}
const EMPTY = { orders: 'noOrders', calls: 'noCalls', notifications: 'noNotifications' }

async function look () {
  const [area, words, at] = [tab, search, page]
  const [about, found] = await Promise.all([
    ask('state?brief=true'),
    NO_RECORDS.has(area) ? undefined : ask(`records/${area}?${new URLSearchParams({ search: words, page: String(at) })}`)
  ])
  state = about
  // Unless the person has gone elsewhere meanwhile.
  if (found && area === tab && words === search) {
    records = { area, ...found }
    page = found.page
  }
}

function go (name, words, at = 1) {
  tab = name
  search = words
  page = at
  location.hash = words ? `${name}/${encodeURIComponent(words)}` : name
  show()
  return refresh()
}

/** One at a time, and once more if something changed meanwhile. */
let asking
let again = false
function refresh () {
  if (asking) {
    again = true
    return asking
  }
  asking = look().then(show).catch(() => {}).finally(() => {
    asking = undefined
    if (!again) return
    again = false
    return refresh()
  })
  return asking
}

function live (on) {
  byId('live').classList.toggle('on', on)
  byId('live').textContent = say(on ? 'live' : 'away')
}

byId('language').addEventListener('click', () => {
  language = 1 - language
  localStorage.setItem('wechat-emulator-language', language ? 'zh' : 'en')
  live(byId('live').classList.contains('on'))
  show()
})
window.addEventListener('hashchange', () => {
  const [name, words = ''] = decodeURIComponent(location.hash.slice(1)).split('/')
  if (PANELS.includes(name) && (name !== tab || words !== search)) go(name, words)
})
let typing
byId('search').addEventListener('input', event => {
  clearTimeout(typing)
  typing = setTimeout(() => go(tab, event.target.value.trim()), 200)
})
byId('newer').addEventListener('click', () => go(tab, search, page - 1))
byId('older').addEventListener('click', () => go(tab, search, page + 1))
show()
live(false)
const news = new window.EventSource('events')
news.onopen = () => live(true)
news.onerror = () => live(false)
news.onmessage = refresh
