/** The pages where an account's owner authorizes a platform. */
import { escape, page } from '../browser/pages.ts'
import type { Language } from '../browser/pages.ts'
import type { Shop } from './component.ts'
import { PERMISSIONS } from './permissions.ts'

const nameOf = ({ name, state: { account: { appId } } }: Shop) => name === '' ? appId : `${name} · ${appId}`

const WORDS = {
  zh: {
    title: '公众平台帐号授权',
    heading: '授权第三方平台',
    platform: '第三方平台',
    account: '选择帐号',
    permissions: '授予的权限集',
    allow: '授权',
    decline: '取消',
    declined: '已取消授权',
    nowhere: '微信不会跳转回第三方平台，也不会推送事件。',
    failed: '授权页面出错',
    code: '错误码'
  },
  en: {
    title: 'Authorize a platform',
    heading: 'Authorize a platform',
    platform: 'Third-party platform',
    account: 'Account',
    permissions: 'Permissions to grant',
    allow: 'Allow',
    decline: 'Decline',
    declined: 'Declined',
    nowhere: 'WeChat does not redirect back and sends no event to the platform.',
    failed: 'Authorization not possible',
    code: 'Error code'
  }
} as const

/** `kept`: the page's query; `action`: the form's target. */
export function authorizationPage (language: Language, kept: Record<string, string | undefined>, { shops, componentAppId, action }: { shops: readonly Shop[], componentAppId: string, action: string }): string {
  const words = WORDS[language]
  const hidden = Object.entries(kept).map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`).join('')
  const accounts = shops.map((shop, index) =>
    `<label><input type="radio" name="authorizer_appid" value="${escape(shop.state.account.appId)}"${index === 0 ? ' checked' : ''}>${escape(nameOf(shop))}</label>`).join('')
  const permissions = Object.entries(PERMISSIONS).map(([id, [en, zh]]) =>
    `<label><input type="checkbox" name="permission" value="${id}" checked>${escape(language === 'zh' ? zh : en)}</label>`).join('')
  return page(language, words.title, `<h1>${words.heading}</h1><p>${words.platform} <span translate="no">${escape(componentAppId)}</span></p>
<form action="${escape(action)}" method="post" style="display:contents">${hidden}
<div class="card"><p>${words.account}</p>${accounts}</div>
<div class="card"><p>${words.permissions}</p>${permissions}</div>
<div class="buttons"><button name="action" value="allow" id="allow">${words.allow}</button><button class="plain" name="action" value="decline" id="decline">${words.decline}</button></div></form>`)
}

/** WeChat does not redirect after declining. */
export function declinedPage (language: Language): string {
  const words = WORDS[language]
  return page(language, words.declined, `<h1>${words.declined}</h1><div class="card"><p>${words.nowhere}</p></div>`)
}

/** The error and its fix. */
export function refusedPage (language: Language, problem: { zh: string, en: string }): string {
  const words = WORDS[language]
  return page(language, words.failed, `<h1>${words.failed}</h1><div class="card"><p>${escape(problem[language])}</p><p>${words.code} -1</p></div>`)
}
