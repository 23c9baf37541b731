// DOM helpers. Content from an app is inserted as text, never as HTML.

import { t, view } from './view.js'

export const byId = id => document.getElementById(id)

export function h (tag, props = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value === true ? '' : value)
  }
  node.append(...children.flat().filter(child => child !== undefined && child !== false))
  return node
}

const locale = () => view.language ? 'zh-CN' : 'en-GB'
export const yuan = fen => `¥${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, '0')}`
export const clock = at => new Date(at).toLocaleTimeString(locale())
export const dateTime = at => new Date(at).toLocaleString(locale())
export const time = at => h('time', { datetime: at, title: dateTime(at) }, clock(at))
export const badge = (kind, text) => h('span', { class: `badge ${kind}` }, text)
/** Text from an app or WeChat, which is not translated. */
export const raw = (text, props = {}) => h('span', { translate: 'no', ...props }, text)
export const button = (text, onclick, props = {}) => h('button', { type: 'button', onclick, ...props }, text)
export const link = (hash, text, props = {}) => h('a', { href: `#${hash}`, ...props }, text)

let toastTimer
export function toast (text) {
  byId('toast').textContent = text
  byId('toast').classList.add('shown')
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => byId('toast').classList.remove('shown'), 2500)
}

export async function copy (text) {
  try {
    await navigator.clipboard.writeText(text)
    toast(t('copied'))
  } catch {
    // Browsers provide the clipboard only on https and localhost.
    toast(t('cannotCopy'))
  }
}

export const copyButton = (text, what) => button(t('copy'), event => {
  event.preventDefault()
  copy(typeof text === 'function' ? text() : text)
}, { class: 'copy', 'aria-label': `${t('copy')}: ${what}` })

/** A value with a copy button. */
export const id = (text, what = text) => h('span', { class: 'id' }, raw(text), copyButton(text, what))

export const part = (title, text) => [h('h3', {}, title, ' ', text === '' ? undefined : copyButton(text, title)), h('pre', { translate: 'no', tabindex: '0' }, text === '' ? '—' : text)]

/** `load` creates the content when it is first opened. */
export function folder (head, load, props = {}) {
  const inside = h('div', { class: 'inside' })
  const node = h('details', props, h('summary', {}, ...head), inside)
  node.addEventListener('toggle', async () => {
    if (node.open && inside.childElementCount === 0) inside.append(...await load())
  })
  return node
}

// Nodes with unchanged content are kept, so that open details, selection and focus survive.
export function sync (parent, items, keyOf, render) {
  const old = new Map([...parent.children].map(node => [node.dataset.key, node]))
  let before = parent.firstElementChild
  for (const item of items) {
    const print = JSON.stringify([view.language, item])
    const key = keyOf(item)
    let node = old.get(key)
    const isFocused = node !== undefined && node === document.activeElement
    old.delete(key)
    if (node?.dataset.print !== print) {
      const fresh = render(item)
      fresh.dataset.key = key
      fresh.dataset.print = print
      if (node === before) before = before?.nextElementSibling ?? null
      if ([node, node?.querySelector(':scope > details')].some(it => it?.open)) (fresh.matches('details') ? fresh : fresh.querySelector(':scope > details')).open = true
      node?.remove()
      node = fresh
    }
    if (node === before) before = before.nextElementSibling
    else parent.insertBefore(node, before)
    if (isFocused) node.focus()
  }
  for (const node of old.values()) node.remove()
}
