// The getting-started guide of the empty dashboard, as the command prints it: the account, and how to connect an app.

import { h, id, raw } from './dom.js'
import { ask } from './server.js'
import { oneOf, t } from './view.js'

const base = () => window.location.href.replace(/\/_emulator\/.*$/, '')
/** Fetched once: they do not change. */
let config, ways

const rows = (list) => h('dl', { class: 'facts' }, ...list.flatMap(([name, ...values]) => [h('dt', {}, name), h('dd', {}, ...values)]))
const named = (name, value) => [raw(`${name} `), id(value, name)]

/** Ids and keys, with buttons to copy them. */
export function account () {
  const node = h('div')
  config ??= ask('config')
  config.then(({ appId, appSecret, merchant: { mchId, v2, v3 }, endpoints }) => {
    node.append(rows([
      [t('accountRow'), h('div', {}, named('appId', appId)), h('div', {}, named('AppSecret', appSecret))],
      [t('merchantRow'), h('div', {}, named('mchId', mchId)), h('div', {}, named('APIv2 key', v2.apiKey)), h('div', {}, named('APIv3 key', v3.apiV3Key)), h('div', {}, named('serial_no', v3.serialNo)), ...v3.publicKeyId ? [h('div', {}, named('public key id', v3.publicKeyId))] : []],
      [t('endpointsRow'), h('div', {}, named('api, open', endpoints.api)), h('div', {}, named('pay', endpoints.pay))]
    ]))
  }, () => { config = undefined })
  return node
}

export function guide () {
  return h('div', { class: 'card guide' },
    h('h2', {}, t('welcome')),
    h('p', {}, t('welcomeNote')),
    account(),
    h('h2', {}, t('pointYourApp')),
    connect())
}

/** The ways to connect an app, which the command prints as well. */
function connect () {
  const node = h('div')
  ways ??= ask('connect.json')
  ways.then(all => node.append(rows(all.map(({ name, code, note }) => [oneOf(name), id(code.replace('{origin}', base())), h('div', { class: 'hint' }, oneOf(note))]))), () => { ways = undefined })
  return node
}
