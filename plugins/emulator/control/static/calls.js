// The app's calls with their results, and explanations of refused signatures.

import { badge, folder, h, link, part, raw, time } from './dom.js'
import { ask, segment } from './server.js'
import { t, view } from './view.js'

const VERDICTS = { accepted: 'good', refused: 'bad', broken: 'odd' }

/** The same text, with a mark where it begins to differ. */
function marked (text, at) {
  const props = { translate: 'no', tabindex: '0' }
  if (at === undefined) return h('pre', props, text)
  return h('pre', props, text.slice(0, at), h('mark', {}, text.slice(at, at + 1).replace('\n', '⏎\n') || '∎'), text.slice(at + 1))
}

function explanationParts ({ mistakes, expected, implied, difference, signature, algorithm }) {
  return [
    h('ul', { class: 'mistakes' }, ...mistakes.map(mistake => h('li', {}, view.language ? mistake.zh : mistake.en))),
    h('div', { class: 'pair' },
      h('div', {}, h('h3', {}, t('expected')), marked(expected, difference?.at)),
      h('div', {}, h('h3', {}, t('implied')), implied === undefined ? h('pre', {}, t('notKnown')) : implied === expected ? h('pre', {}, t('sameText')) : marked(implied, difference?.at))),
    h('p', { class: 'hint' }, `${t('algorithm')}: `, raw(algorithm)),
    ...part(t('signature'), signature)
  ]
}

function callCard (call) {
  const [path] = call.url.split('?')
  const hints = (call.explanation?.mistakes ?? []).map(mistake => view.language ? mistake.zh : mistake.en)
  const why = [call.reason, ...hints].filter(Boolean).join(' — ')
  const number = call.out_trade_no
  return h('article', { class: 'card' },
    folder([
      time(call.at), raw(`${call.method} ${path}${number ? ` · ${number}` : ''}`, { class: 'what' }),
      badge(VERDICTS[call.verdict], `${t(call.verdict)} ${call.status}`),
      why && raw(why, { class: 'why' })
    ].filter(Boolean), async () => {
      const { request, reply, explanation, url, method } = await ask(`calls/${call.id}`)
      return [...explanation ? explanationParts(explanation) : [], ...part(t('request'), `${method} ${url}\n\n${request}`), ...part(t('reply'), reply)]
    }),
    number && h('div', { class: 'actions' }, link(`orders/${segment(number)}`, t('itsOrder')), link(`notifications/${segment(number)}`, t('itsNotifications'))))
}

export const calls = {
  name: 'calls',
  key: ({ id }) => id,
  render: callCard,
  stateWord: t,
  empty: () => h('p', { class: 'empty' }, t('noCalls'))
}
