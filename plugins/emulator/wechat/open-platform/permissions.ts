/** The permission sets (权限集) that an account can grant to a platform, and which calls need which. */

/** English and Chinese names by `funcscope_category.id`. WeChat has many more; the emulator's calls need these. */
export const PERMISSIONS: Readonly<Record<number, readonly [en: string, zh: string]>> = {
  1: ['messages', '消息管理'],
  2: ['users', '用户管理'],
  3: ['account services', '帐号服务'],
  4: ['web pages', '网页服务'],
  7: ['mass messages and notifications', '群发与通知'],
  15: ['menu', '自定义菜单'],
  17: ['mini program: account', '小程序帐号管理'],
  18: ['mini program: development', '小程序开发管理与数据分析']
}

export const ALL_PERMISSIONS = Object.keys(PERMISSIONS).map(Number)

/** Required for logins on behalf of an account and JS-SDK tickets. */
export const WEB_PAGES = 4
export const MINI_PROGRAM = 18

/** Permission sets by path, derived from the sets' names in WeChat's documentation: the details are a guess. */
const NEEDED: ReadonlyArray<readonly [beginning: string, permission: number]> = [
  ['/cgi-bin/ticket/', WEB_PAGES],
  ['/cgi-bin/message/custom/', 1],
  ['/cgi-bin/message/subscribe/send', MINI_PROGRAM],
  ['/cgi-bin/message/', 7],
  ['/cgi-bin/user/', 2],
  ['/cgi-bin/qrcode/', 3],
  ['/cgi-bin/menu/', 15],
  ['/cgi-bin/wxaapp/', MINI_PROGRAM],
  ['/wxa/', MINI_PROGRAM]
]

/** The permission set a path requires; undefined: none. */
export const permissionFor = (path: string): number | undefined => NEEDED.find(([beginning]) => path.startsWith(beginning))?.[1]
