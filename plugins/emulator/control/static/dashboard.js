// The frame of the dashboard: tabs, search, paging, connection state. The panels render the content; see panels.js.
// It shows the answers of `state` and `records`, and fetches them again after each change reported by `events`.

import { button, byId, clock, h, raw, sync } from './dom.js'
import { activeFaults, allOff } from './faults.js'
import { PANELS } from './panels.js'
import { ask } from './server.js'
import { t, view } from './view.js'

const { location } = window
const panelOf = name => PANELS.find(panel => panel.name === name)
const tabs = () => PANELS.filter(({ isAbsent }) => !isAbsent?.(view.about))

/** `#calls`, or `#calls/search words`. */
function placeOf (hash) {
  const [name, ...words] = hash.slice(1).split('/')
  return { name: panelOf(name) ? name : 'orders', words: decodeURIComponent(words.join('/')) }
}

const first = placeOf(location.hash)
view.tab = first.name
view.search = first.words

for (const { name } of PANELS) byId('panels').append(h('section', { role: 'tabpanel', id: name, 'aria-labelledby': `tab-${name}`, hidden: true }))

function showTabs () {
  sync(byId('tabs'), tabs().map(({ name }) => ({ name, on: name === view.tab, count: view.about?.counts[name] })), ({ name }) => name, ({ name, on, count }) =>
    button([t(name), count ? h('b', {}, String(count)) : undefined], () => go(name), { role: 'tab', id: `tab-${name}`, 'aria-controls': name, 'aria-selected': String(on), tabindex: on ? '0' : '-1' }))
}

// Standard tab list: arrow keys move, and the Tab key only reaches the selected tab.
byId('tabs').addEventListener('keydown', event => {
  const panels = tabs()
  const at = panels.findIndex(({ name }) => name === view.tab)
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: panels.length - 1 }[event.key]
  if (to === undefined) return
  event.preventDefault()
  const { name } = panels.at(to % panels.length)
  go(name)
  byId(`tab-${name}`).focus()
})

function showFind () {
  byId('find').hidden = panelOf(view.tab).isTool === true
  byId('search').placeholder = t('search')
  byId('search').setAttribute('aria-label', t('search'))
  byId('state').setAttribute('aria-label', t('filter'))
  if (document.activeElement !== byId('search')) byId('search').value = view.search
  const states = view.records?.area === view.tab ? view.records.states : {}
  const choices = [{ value: '', text: t('allStates') }, ...Object.entries(states).filter(([state]) => state !== '').map(([state, count]) => ({ value: state, text: `${panelOf(view.tab).stateWord(state)} (${count})` }))]
  if (view.filter !== '' && !(view.filter in states)) choices.push({ value: view.filter, text: panelOf(view.tab).stateWord(view.filter) })
  sync(byId('state'), choices, ({ value }) => value, ({ value, text }) => h('option', { value }, text))
  byId('state').value = view.filter
}

function showRecords () {
  const panel = panelOf(view.tab)
  if (panel.isAbsent?.(view.about)) return
  if (panel.isTool) return sync(byId(panel.name), [panel.shows(view.about)], () => panel.name, panel.render)
  if (view.records?.area !== view.tab) return
  const { total, page, pages, items } = view.records
  const isNarrowed = view.search !== '' || view.filter !== ''
  const empty = () => isNarrowed ? h('p', { class: 'empty' }, t('noneFound')) : panel.empty()
  // sync also for the empty text, so that it is not replaced while nothing changes.
  if (items.length === 0) sync(byId(panel.name), [{ isNarrowed }], () => 'empty', empty)
  else sync(byId(panel.name), items, panel.key, panel.render)
  byId('place').textContent = `${page} / ${pages} · ${total}`
  byId('newer').disabled = page <= 1
  byId('older').disabled = page >= pages
}

function showFaults () {
  const active = view.about ? activeFaults(view.about) : []
  byId('active-faults').hidden = active.length === 0
  sync(byId('active-faults'), active.length === 0 ? [] : [active], () => 'active', faults => h('div', {}, h('strong', {}, t('activeFaults')), ...faults.map(([before, name, after]) => h('span', { class: 'badge odd' }, before, raw(name), after)), button(t('allOff'), allOff, { class: 'quiet' })))
}

function showAccounts () {
  const { names } = view.about
  byId('accounts').hidden = names.length < 2
  byId('accounts').setAttribute('aria-label', t('accounts'))
  if (names.length < 2 || byId('accounts').childElementCount > 0) return
  const own = location.pathname.replace(/\/?_emulator\/.*$/, '').slice(1)
  byId('accounts').append(...names.map(name => h('option', { value: name, selected: name === own, ...(name === '' ? { 'data-text': 'firstAccount' } : { translate: 'no' }) }, name || t('firstAccount'))))
  byId('accounts').addEventListener('change', event => { location.pathname = `${event.target.value && `/${event.target.value}`}/_emulator/dashboard` })
}

function show () {
  document.documentElement.lang = view.language ? 'zh-CN' : 'en'
  for (const node of document.querySelectorAll('[data-text]')) node.textContent = t(node.dataset.text)
  byId('language').lang = view.language ? 'en' : 'zh-CN'
  byId('navigation').setAttribute('aria-label', t('title'))
  byId('active-faults').setAttribute('aria-label', t('activeFaults'))
  byId('panel-title').textContent = t(view.tab)
  showLive()
  showTabs()
  showFind()
  for (const { name } of PANELS) byId(name).hidden = name !== view.tab
  byId('pager').hidden = !(view.records?.area === view.tab && view.records.pages > 1)
  if (!view.about) return
  byId('account').textContent = `appId ${view.about.appId} · mchId ${view.about.mchId}`
  showRecords()
  showFaults()
  showAccounts()
}

/** When the connection was lost, in milliseconds since 1970; undefined while it is up. */
let lost
let isLive = false
function showLive () {
  byId('live').className = isLive ? 'on' : ''
  byId('live').textContent = t(isLive ? 'live' : 'away')
  document.title = `${lost ? '⚠ ' : ''}${t('title')}`
  byId('lost').hidden = lost === undefined
  byId('lost').textContent = lost === undefined ? '' : `${t('lost')} ${clock(lost)}`
  // Actions would fail, and the content may be out of date.
  for (const name of ['tabs', 'panels']) byId(name).inert = lost !== undefined
  document.body.classList.toggle('lost', lost !== undefined)
}

async function load () {
  const { tab, search, filter, page } = view
  const [about, found] = await Promise.all([
    ask('state?brief=true'),
    panelOf(tab).isTool ? undefined : ask(`records/${tab}?${new URLSearchParams({ search, state: filter, page: String(page) })}`)
  ])
  view.about = about
  // Unless the user has switched tabs meanwhile.
  if (found && tab === view.tab && search === view.search && filter === view.filter) {
    view.records = { area: tab, ...found }
    view.page = found.page
  }
}

function go (tab, search = '', { filter = '', page = 1 } = {}) {
  Object.assign(view, { tab, search, filter, page })
  location.hash = search ? `${tab}/${encodeURIComponent(search)}` : tab
  show()
  return view.refresh()
}

/** One at a time, and once more if something changed meanwhile. */
let asking
let again = false
view.refresh = () => {
  if (asking) {
    again = true
    return asking
  }
  asking = load().catch(() => {}).then(show).finally(() => {
    asking = undefined
    if (!again) return
    again = false
    return view.refresh()
  })
  return asking
}

byId('language').addEventListener('click', () => {
  view.language = 1 - view.language
  localStorage.setItem('wechat-emulator-language', view.language ? 'zh' : 'en')
  show()
})
window.addEventListener('hashchange', () => {
  const { name, words } = placeOf(location.hash)
  if (name !== view.tab || words !== view.search) go(name, words)
})
let typing
byId('search').addEventListener('input', event => {
  clearTimeout(typing)
  typing = setTimeout(() => go(view.tab, event.target.value.trim()), 200)
})
byId('state').addEventListener('change', event => go(view.tab, view.search, { filter: event.target.value }))
byId('newer').addEventListener('click', () => go(view.tab, view.search, { filter: view.filter, page: view.page - 1 }))
byId('older').addEventListener('click', () => go(view.tab, view.search, { filter: view.filter, page: view.page + 1 }))

show()
const events = new window.EventSource('events')
events.onopen = () => {
  isLive = true
  lost = undefined
  view.refresh()
}
events.onerror = () => {
  isLive = false
  lost ??= Date.now()
  showLive()
}
events.onmessage = view.refresh
