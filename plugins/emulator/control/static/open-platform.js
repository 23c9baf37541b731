// The third-party platform on the dashboard: its URL and last push, ticket and tokens, and each account's authorization.

import { badge, h, time } from './dom.js'
import { form } from './forms.js'
import { act } from './server.js'
import { t, view } from './view.js'

const STATES = { authorized: 'good', unauthorized: 'bad', none: 'odd' }

const render = platform => {
  const { componentAppId, url, answered, lastPush, ticket, componentToken, accounts } = platform
  const line = (word, ...what) => h('p', { class: 'ids' }, `${t(word)}: `, ...what)
  const validity = one => one ? [`${one.value.slice(0, 18)}… ${t('until')} `, time(one.until)] : [t('none')]
  const button = (word, path, body, kind) => h('button', { type: 'button', 'data-tool': word, ...(kind && { class: kind }), onclick: () => act(path, 'POST', body) }, t(word))
  return h('div', { class: 'columns' },
    h('div', { class: 'card' },
      h('h2', {}, t('platform')),
      line('componentAppId', componentAppId),
      line('eventsUrl', url || t('noUrl'), ' ', ...url ? [badge(answered ? 'good' : 'odd', t(answered ? 'answers' : 'notAnswered'))] : []),
      line('lastPush', ...lastPush ? [`${lastPush.info_type} `, time(lastPush.at), ' ', badge(lastPush.accepted ? 'good' : 'bad', t(lastPush.accepted ? 'accepted' : 'notAccepted')), ` ${lastPush.error ?? ''}`] : [t('none')]),
      line('ticket', ...validity(ticket)),
      line('componentToken', ...validity(componentToken)),
      h('div', { class: 'actions' },
        button('pushTicket', 'component/ticket', undefined, 'main'),
        button('expireTicket', 'component/expire', { tickets: true }),
        button('expirePlatformTokens', 'component/expire', { componentTokens: true, authorizerTokens: true }),
        button('changeRefreshTokens', 'component/expire', { refreshTokens: true })),
      form({ title: 'eventsUrl', label: 'set', path: 'component/url', fields: [{ name: 'url', label: 'eventsUrl', required: true, value: url }] })),
    ...accounts.map(({ name, appId, state, permissions, authorized_at: at }) => h('div', { class: 'card', 'data-account': appId },
      h('div', { class: 'head' }, h('span', { class: 'name' }, name || appId), badge(STATES[state], t(`is_${state}`))),
      line('authorizerAppId', appId),
      ...at ? [line('authorizedAt', time(at))] : [],
      ...state === 'authorized' ? [line('permissions', permissions.map(({ en, zh }) => view.language ? zh : en).join(view.language ? '、' : ', '))] : [],
      h('div', { class: 'actions' },
        button(state === 'authorized' ? 'authorizeAgain' : 'authorizeNow', 'component/authorize', { app_id: appId }, state === 'authorized' ? undefined : 'main'),
        ...state === 'authorized' ? [button('unauthorize', 'component/unauthorize', { app_id: appId })] : []))))
}

export const openPlatform = { name: 'platform', isTool: true, isAbsent: about => about?.openPlatform === undefined, shows: about => about.openPlatform, render }
