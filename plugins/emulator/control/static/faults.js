// Faults of calls and notifications: switches, forms for other and random faults, and the list of active ones.

import { button, h, raw } from './dom.js'
import { form } from './forms.js'
import { act, ask } from './server.js'
import { oneOf, t, view } from './view.js'
import { CALL_FAULTS, NOTIFICATION_FAULTS } from './words.js'

/** Practically unlimited. */
const ALWAYS = 1e9
const PATHS = ['', '/cgi-bin', '/sns', '/pay', '/secapi', '/v3']
let path = ''

const remaining = ({ times }) => times > 1e6 ? t('always') : `× ${times}`
const hasOdds = odds => Object.values(odds).some(chance => chance > 0)

/** The active faults, each as [before, name, after]; the name is not translated. */
export function activeFaults ({ faults, notificationFaults, chaos }) {
  return [
    ...faults.map(fault => [`${t('aCall')}: `, `${fault.kind}${fault.path ? ` ${fault.path}…` : ''}`, `${fault.when === 'after' ? ` (${t('after')})` : ''}, ${remaining(fault)}`]),
    ...notificationFaults.map(fault => [`${t('aNotification')}: `, fault.kind, `, ${remaining(fault)}`]),
    ...hasOdds(chaos.calls) || hasOdds(chaos.notifications) ? [[t('randomFaults'), '', '']] : []
  ]
}

export const allOff = () => act('faults', 'DELETE')

async function toggle (kind, isOn, add) {
  if (isOn) return act(`faults?kind=${encodeURIComponent(kind)}`, 'DELETE')
  await add()
  await view.refresh()
}

const one = ([kind, ...words], isOn, add) => button(h('span', {}, raw(kind), h('small', {}, oneOf(words))), () => toggle(kind, isOn, add), { role: 'switch', class: 'switch', 'aria-checked': String(isOn), 'data-kind': kind })

const addCall = (kind, times = ALWAYS) => ask('faults', 'POST', { kind, times, ms: 3000, ...(path && { path }) })

async function changePath (event) {
  path = event.target.value
  // Active faults now apply to the new path.
  for (const { kind, times } of view.about.faults) {
    await ask(`faults?kind=${encodeURIComponent(kind)}`, 'DELETE')
    await addCall(kind, times)
  }
  await view.refresh()
}

function chances (kinds, percent) {
  const chance = Math.min(100, Math.max(0, percent)) / 100 / kinds.length
  return Object.fromEntries(kinds.map(kind => [kind, chance]))
}

function render ({ faults, notificationFaults }) {
  const isOn = (list, kind) => list.some(fault => fault.kind === kind)
  const paths = h('select', { 'aria-label': t('ofCalls'), onchange: changePath },
    ...PATHS.map(at => h('option', { value: at, selected: at === (faults[0]?.path ?? path), translate: at === '' ? undefined : 'no' }, at === '' ? t('anyPath') : `${at}…`)))
  return h('div', { class: 'columns' },
    h('div', { class: 'card' }, h('h2', {}, t('callFaults')), paths, ...CALL_FAULTS.map(fault => one(fault, isOn(faults, fault[0]), () => addCall(fault[0])))),
    h('div', { class: 'card' }, h('h2', {}, t('notificationFaults')), ...NOTIFICATION_FAULTS.map(fault => one(fault, isOn(notificationFaults, fault[0]), () => ask('notifications/faults', 'POST', { kind: fault[0], times: ALWAYS, ms: 3000 })))),
    h('div', { class: 'card' },
      form({ title: 'otherFault', label: 'add', path: 'faults', hint: 'otherFaultHint', fields: [{ name: 'kind', label: 'faultKind', required: true, value: 'SYSTEMERROR' }, { name: 'path', label: 'pathBegins' }, { name: 'when', label: 'when', kind: 'choice', choices: [['before', 'before'], ['after', 'after']] }, { name: 'times', label: 'howOften', kind: 'number', value: '1' }, { name: 'ms', label: 'milliseconds', kind: 'number' }] }),
      form({ title: 'otherNotificationFault', label: 'add', path: 'notifications/faults', fields: [{ name: 'kind', label: 'faultKind', kind: 'choice', choices: NOTIFICATION_FAULTS.map(([kind]) => kind) }, { name: 'times', label: 'howOften', kind: 'number', value: '1' }, { name: 'copies', label: 'copies', kind: 'number' }, { name: 'ms', label: 'milliseconds', kind: 'number' }] }),
      form({
        title: 'randomFaults',
        label: 'start',
        path: 'chaos',
        hint: 'randomHint',
        fields: [{ name: 'seed', label: 'seed', kind: 'number', value: '1', required: true }, { name: 'calls', label: 'callsPercent', kind: 'number', value: '10' }, { name: 'notifications', label: 'notificationsPercent', kind: 'number', value: '20' }],
        body: ({ seed, calls = 0, notifications = 0 }) => ({ seed, calls: chances(['reset', '502', 'slow', 'SYSTEMERROR'], calls), notifications: chances(['drop', 'delay', 'duplicate', 'concurrent'], notifications) })
      }),
      button(t('allOff'), allOff)))
}

export const faults = { name: 'faults', isTool: true, shows: ({ faults, notificationFaults, chaos }) => ({ faults, notificationFaults, chaos }), render }
