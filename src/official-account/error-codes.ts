/** What WeChat's `errcode`s mean for a caller: WeChat's documentation "Global return codes", and replies seen in public. */
import type { CodeInfo } from '../errors.ts'

const token = {
  fault: 'caller',
  advice: 'The access_token is no longer the latest. If this recurs, another system fetches tokens for the same account: use stable_token everywhere.',
  adviceZh: 'access_token 已不是最新。若反复出现，说明另有系统在为同一公众号获取 token，请统一改用 stable_token。'
} satisfies CodeInfo

const code = {
  fault: 'caller',
  statusCode: 403,
  advice: 'A code works once and for five minutes. Start the login again.',
  adviceZh: 'code 只能使用一次且五分钟内有效，请重新发起网页授权。'
} satisfies CodeInfo

const frozen = {
  fault: 'caller',
  advice: 'The account is frozen or its owner has not confirmed it. See mp.weixin.qq.com.',
  adviceZh: '账号被冻结或未经管理员确认，请登录公众平台处理。'
} satisfies CodeInfo

const address = {
  fault: 'caller',
  advice: 'Add the address named in the message to the IP white list (mp.weixin.qq.com, Settings & Development).',
  adviceZh: '请把提示中的 IP 加入公众平台「设置与开发」里的 IP 白名单。'
} satisfies CodeInfo

const ERROR_CODES: Readonly<Record<string, CodeInfo>> = {
  '-1': { fault: 'wechat', retryable: true, advice: 'WeChat is busy: repeat in a moment.', adviceZh: '微信系统繁忙，请稍后重试。' },
  40001: token,
  40014: token,
  41001: token,
  42001: token,
  40013: { fault: 'caller', advice: 'Check appId.', adviceZh: '请检查 appId。' },
  40125: { fault: 'caller', advice: 'Check appSecret; it changes when it is reset in the console.', adviceZh: '请检查 appSecret；在后台重置后旧值失效。' },
  40164: address,
  89503: address,
  89506: address,
  89507: address,
  45009: { fault: 'caller', advice: 'The day\'s quota is used up: share one token among all processes, or clear the quota in the console.', adviceZh: '当日调用次数已用完：请让所有进程共用一个 token，或在后台清零。' },
  45011: { fault: 'caller', statusCode: 503, retryable: true, advice: 'Too many calls in this minute: slow down.', adviceZh: '本分钟调用过于频繁，请降低频率。' },
  40029: code,
  40163: code,
  42003: code,
  41008: code,
  40030: { fault: 'caller', statusCode: 403, advice: 'The refresh_token is invalid or over 30 days old. Start the login again.', adviceZh: 'refresh_token 无效或已超过 30 天，请重新授权。' },
  48001: { fault: 'caller', advice: 'The account lacks this permission (or the visitor granted snsapi_base only).', adviceZh: '公众号没有该接口权限，或用户仅授权了 snsapi_base。' },
  50004: frozen,
  50007: frozen
}

/** What `errcode` means; a refused address is named in the advice, since `errmsg` names it. */
export function errorCode (code: string, errmsg = ''): CodeInfo | undefined {
  const info = ERROR_CODES[code]
  if (info !== address) return info
  const ip = /invalid ip ([0-9a-f.:]{7,45})/i.exec(errmsg)?.[1]
  return ip === undefined
    ? info
    : { ...info, advice: info.advice.replace('the address named in the message', ip), adviceZh: info.adviceZh.replace('提示中的 IP', ` ${ip} `) }
}
