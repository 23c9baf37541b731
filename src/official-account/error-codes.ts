/** What WeChat's `errcode`s mean for a caller: WeChat's documentation "Global return codes", and replies seen in public. */
import type { CodeInfo } from '../errors.ts'
import { miniProgramCode } from './mini-program-codes.ts'

const token = {
  fault: 'caller',
  advice: 'The access_token is no longer the latest. If this recurs, another system fetches tokens for the same account: use stable_token everywhere.',
  adviceZh: 'access_token 已不是最新。若反复出现，说明另有系统在为同一公众号获取 token，请统一改用 stable_token。'
} satisfies CodeInfo

const code = {
  fault: 'caller',
  statusCode: 403,
  advice: 'A code can be used once, within five minutes. Start the login again.',
  adviceZh: 'code 只能使用一次且五分钟内有效，请重新发起网页授权。'
} satisfies CodeInfo

const frozen = {
  fault: 'caller',
  advice: 'The account is frozen or its owner has not confirmed it. See mp.weixin.qq.com.',
  adviceZh: '账号被冻结或未经管理员确认，请登录公众平台处理。'
} satisfies CodeInfo

const address = {
  fault: 'caller',
  advice: 'Add the address named in the message to the IP whitelist (mp.weixin.qq.com, Settings & Development).',
  adviceZh: '请把提示中的 IP 加入公众平台「设置与开发」里的 IP 白名单。'
} satisfies CodeInfo

const platformAddress = {
  fault: 'caller',
  advice: 'Add the address named in the message to the calling platform\'s IP whitelist (open.weixin.qq.com for third-party platforms).',
  adviceZh: '请把提示中的 IP 加入调用方平台的 IP 白名单（第三方平台在 open.weixin.qq.com 设置）。'
} satisfies CodeInfo

const awaiting = {
  fault: 'caller',
  advice: 'An administrator of the account must confirm this address first. The request is in the administrator\'s WeChat. Retry after that.',
  adviceZh: '该 IP 的调用需公众号管理员在微信中确认：请联系管理员确认后再调用。'
} satisfies CodeInfo

const refusedAddress = {
  fault: 'caller',
  advice: 'An administrator refused this IP address. Calls from it may be tried again after an hour (89506: after a day). Talk to the administrator.',
  adviceZh: '管理员拒绝了该 IP 的调用：一小时内（89506 为 24 小时内）不可再用该 IP 调用，请与管理员沟通。'
} satisfies CodeInfo

const ticket = {
  fault: 'caller',
  statusCode: 503,
  advice: 'The component_verify_ticket is unknown or expired; WeChat pushes a new one every ten minutes. Check that all processes share one Redis and that the platform\'s events URL points to this server.',
  adviceZh: 'component_verify_ticket 无效或已过期：微信每十分钟推送新的 ticket，请确认各进程共用同一 Redis，且授权事件接收 URL 指向本服务。'
} satisfies CodeInfo

const request = (advice: string, adviceZh: string) => ({ fault: 'caller', advice, adviceZh }) satisfies CodeInfo

/** Token calls have no access_token yet: there this code is about the secret. */
const secret = {
  fault: 'caller',
  advice: 'Check appSecret: for this call the code means that it is wrong or belongs to another appId. Resetting it in the console invalidates the old one.',
  adviceZh: '请检查 appSecret：获取 access_token 时此错误码表示 appSecret 错误或不属于该 appId；在后台重置后旧值失效。'
} satisfies CodeInfo
const TOKEN_CALLS = new Set(['/cgi-bin/token', '/cgi-bin/stable_token'])

const ERROR_CODES: Readonly<Record<string, CodeInfo>> = {
  '-1': { fault: 'wechat', retryable: true, advice: 'WeChat is busy: retry in a moment.', adviceZh: '微信系统繁忙，请稍后重试。' },
  40001: token,
  40014: token,
  41001: token,
  42001: token,
  40013: { fault: 'caller', advice: 'Check appId.', adviceZh: '请检查 appId。' },
  40125: { fault: 'caller', advice: 'Check appSecret (of a third-party platform: componentAppSecret). Resetting it in the console invalidates the old one.', adviceZh: '请检查 appSecret（第三方平台则是 componentAppSecret）；在后台重置后旧值失效。' },
  40164: address,
  61004: platformAddress,
  61003: { fault: 'caller', statusCode: 403, advice: 'The account has not authorized this platform, or has withdrawn the authorization: ask its owner to authorize again.', adviceZh: '该账号未授权本第三方平台或已取消授权：请让账号管理员重新授权。' },
  61005: ticket,
  61006: ticket,
  61007: { fault: 'caller', statusCode: 403, advice: 'The account\'s owner has not granted this permission: the platform must have it, and the owner must select it when they authorize again.', adviceZh: '账号管理员未把该接口的权限授予本平台：请确认平台拥有该权限集，并让管理员重新授权时勾选。' },
  61009: { fault: 'caller', statusCode: 403, advice: 'An authorization code works once and for an hour. Start the authorization again.', adviceZh: '授权码只能使用一次且一小时内有效，请重新发起授权。' },
  61023: { fault: 'caller', advice: 'The refresh token is not the account\'s latest: refreshTokenOf must return the one that onAuthorized got last. If it was lost, authorizers() lists WeChat\'s.', adviceZh: 'refresh_token 已失效：refreshTokenOf 应返回 onAuthorized 最近一次交付的值；如已丢失，可用 authorizers() 从微信查回。' },
  89501: awaiting,
  89503: awaiting,
  89506: refusedAddress,
  89507: refusedAddress,
  40243: request('The appSecret is frozen: unfreeze it in the console (mp.weixin.qq.com).', 'AppSecret 已被冻结：请登录公众平台解冻后再调用。'),
  45009: { fault: 'caller', advice: 'The daily quota is used up: share one token between all processes, or clear the quota in the console.', adviceZh: '当日调用次数已用完：请让所有进程共用一个 token，或在后台清零。' },
  45011: { fault: 'caller', statusCode: 503, retryable: true, advice: 'Too many calls in this minute: slow down.', adviceZh: '本分钟调用过于频繁，请降低频率。' },
  40029: code,
  40163: code,
  42003: code,
  41008: code,
  40030: { fault: 'caller', statusCode: 403, advice: 'The refresh_token is invalid or more than 30 days old. Start the login again.', adviceZh: 'refresh_token 无效或已超过 30 天，请重新授权。' },
  48001: { fault: 'caller', advice: 'The account does not have this permission, or the visitor granted only snsapi_base.', adviceZh: '公众号没有该接口权限，或用户仅授权了 snsapi_base。' },
  48004: request('WeChat has blocked this call for the account because of a rule violation: see the notices in the console (mp.weixin.qq.com).', '接口因违规被封禁：请登录公众平台查看通知。'),
  50002: request('WeChat has restricted this user or the account: the console gives the reason (mp.weixin.qq.com).', '用户或账号受限（可能违规被封禁）：请登录公众平台查看原因。'),
  40002: request('The grant_type is wrong: it has a fixed value, see the call\'s documentation.', 'grant_type 不合法：该参数为固定值，请对照接口文档。'),
  40003: request('The openid is wrong or belongs to another account: use the one from a login with this appId.', 'openid 不合法或属于其他公众号：请使用当前 appId 授权得到的 openid。'),
  40097: request('An argument is wrong: compare the request with the call\'s documentation.', '参数错误：请对照接口文档检查请求参数。'),
  41002: request('The request has no appid.', '请求缺少 appid 参数。'),
  41004: request('The request has no secret.', '请求缺少 secret 参数。'),
  43002: request('This call requires POST.', '该接口需使用 POST 请求。'),
  47001: request('WeChat cannot parse the body: check that it is valid JSON in UTF-8 and that all values have the documented types.', '请求体解析失败：请检查 JSON 格式、UTF-8 编码与字段类型。'),
  42002: { fault: 'caller', statusCode: 403, advice: 'The refresh_token is more than 30 days old. Start the login again.', adviceZh: 'refresh_token 已超过 30 天，请重新发起网页授权。' },
  42007: { fault: 'caller', statusCode: 403, advice: 'The user changed their WeChat password, which revokes the authorization. Start the login again.', adviceZh: '用户修改微信密码后，原 access_token 与 refresh_token 均失效，请重新发起网页授权。' },
  50004: frozen,
  50007: frozen
}

/** What `errcode` means for that call. The advice names a refused address, taken from `errmsg`. */
export function errorCode (code: string, errmsg = '', path = ''): CodeInfo | undefined {
  const info = miniProgramCode(code, path) ?? ERROR_CODES[code]
  if (code === '40001' && TOKEN_CALLS.has(path)) return secret
  if (info !== address && info !== platformAddress) return info
  const ip = /(?:invalid ip|requestIP:) ?([0-9a-f.:]{7,45})/i.exec(errmsg)?.[1]
  return ip === undefined
    ? info
    : { ...info, advice: info.advice.replace('the address named in the message', ip), adviceZh: info.adviceZh.replace('提示中的 IP', ` ${ip} `) }
}
