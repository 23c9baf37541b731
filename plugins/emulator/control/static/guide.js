// The getting-started guide of the empty dashboard, as the command prints it: the account, and how to connect an app.

import { h, id, raw } from './dom.js'
import { ask } from './server.js'
import { say } from './view.js'

const base = () => window.location.href.replace(/\/_emulator\/.*$/, '')
/** Fetched once: it does not change. */
let config

const rows = (list) => h('dl', { class: 'facts' }, ...list.flatMap(([name, ...values]) => [h('dt', {}, name), h('dd', {}, ...values)]))
const named = (name, value) => [raw(`${name} `), id(value, name)]

/** Ids and keys, with buttons to copy them. */
export function account () {
  const node = h('div')
  config ??= ask('config')
  config.then(({ appId, appSecret, merchant: { mchId, v2, v3 }, endpoints }) => {
    node.append(rows([
      [say('accountRow'), h('div', {}, named('appId', appId)), h('div', {}, named('AppSecret', appSecret))],
      [say('merchantRow'), h('div', {}, named('mchId', mchId)), h('div', {}, named('APIv2 key', v2.apiKey)), h('div', {}, named('APIv3 key', v3.apiV3Key)), h('div', {}, named('serial_no', v3.serialNo)), ...v3.publicKeyId ? [h('div', {}, named('public key id', v3.publicKeyId))] : []],
      [say('endpointsRow'), h('div', {}, named('api, open', endpoints.api)), h('div', {}, named('pay', endpoints.pay))]
    ]))
  }, () => { config = undefined })
  return node
}

export function guide () {
  const here = base()
  return h('div', { class: 'card guide' },
    h('h2', {}, say('welcome')),
    h('p', {}, say('welcomeNote')),
    account(),
    h('h2', {}, say('pointYourApp')),
    rows([
      [say('thisLibrary'), say('thisLibraryNote'), ' ', id(`${here}/_emulator/config`)],
      [say('anyApp'), id('npx wechat-emulator exec -- npm start'), h('div', { class: 'hint' }, say('anyAppNote'))],
      [say('anyClient'), id(`HTTPS_PROXY=${here}`), h('div', { class: 'hint' }, say('anyClientNote'))],
      [say('inYourPage'), id(`<script src="${here}/_emulator/bridge.js"></script>`), h('div', { class: 'hint' }, say('inYourPageNote'))],
      [say('fromShell'), id('npx wechat-emulator --help'), h('div', { class: 'hint' }, say('fromShellNote'))],
      [say('environmentRow'), id(`eval "$(curl -s '${here}/_emulator/config?format=env')"`)]
    ]))
}
