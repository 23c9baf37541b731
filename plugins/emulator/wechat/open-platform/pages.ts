/** The pages on which an account's owner allows a platform to act for it. */
import { escape, page } from '../browser/pages.ts'
import type { Shop } from './component.ts'
import { PERMISSIONS } from './permissions.ts'

const nameOf = ({ name, state: { account: { appId } } }: Shop) => name === '' ? appId : `${name} · ${appId}`

/** `kept`: the query as it came; `action`: where the form goes. */
export function authorizationPage (kept: Record<string, string | undefined>, { shops, componentAppId, action }: { shops: readonly Shop[], componentAppId: string, action: string }): string {
  const hidden = Object.entries(kept).map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`).join('')
  const accounts = shops.map((shop, index) =>
    `<label><input type="radio" name="authorizer_appid" value="${escape(shop.state.account.appId)}"${index === 0 ? ' checked' : ''}>${escape(nameOf(shop))}</label>`).join('')
  const permissions = Object.entries(PERMISSIONS).map(([id, [en, zh]]) =>
    `<label><input type="checkbox" name="permission" value="${id}" checked>${escape(zh)} · ${escape(en)}</label>`).join('')
  return page('公众平台帐号授权', `<h1>授权第三方平台</h1><p>Allow a platform to act for an account: ${escape(componentAppId)}</p>
<form action="${escape(action)}" method="post" style="display:contents">${hidden}
<div class="card"><p>选择帐号 · Which account</p>${accounts}</div>
<div class="card"><p>授予的权限集 · What it may do</p>${permissions}</div>
<div class="buttons"><button name="action" value="allow" id="allow">授权 · Allow</button><button class="plain" name="action" value="decline" id="decline">取消 · Decline</button></div></form>`)
}

/** WeChat sends nobody back then. */
export function declinedPage (): string {
  return page('已取消授权', '<h1>已取消授权 · Declined</h1><div class="card"><p>微信不会跳转回第三方平台，也不会推送事件。</p><p>WeChat sends the owner nowhere, and tells the platform nothing.</p></div>')
}

/** What is wrong, and what the developer does about it. */
export function refusedPage (problem: { zh: string, en: string }): string {
  return page('授权页面出错', `<h1>授权页面出错 · This cannot be authorized</h1><div class="card"><p>${escape(problem.zh)}</p><p>${escape(problem.en)}</p><p>错误码 · code -1</p></div>`)
}
