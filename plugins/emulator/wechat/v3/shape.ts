/** The required shape of v3 request bodies, as lists of paths, and WeChat's error messages for violations. */
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

export type Json = Record<string, unknown>

/**
 * Paths of members: `a/b` in an object, `a[]/b` in an array's items. A trailing `!` means required, `#` integer.
 * Members of a missing parent are not required. Top-level members that are in no path are refused.
 */
export type Shape = readonly string[]

export const object = (value: unknown): Json => value !== null && typeof value === 'object' && !Array.isArray(value) ? value as Json : {}
export const text = (value: unknown): string => typeof value === 'string' ? value : ''
export const list = (value: unknown): Json[] => Array.isArray(value) ? value.map(object) : []
/** The value if it is an integer, otherwise NaN. */
export const whole = (value: unknown): number => Number.isInteger(value) ? value as number : NaN

/** WeChat's Chinese names of members, from recorded messages or its documentation. Default: the member's name. */
const NAMES: Readonly<Record<string, string>> = {
  appid: '公众号ID', mchid: '直连商户号', description: '商品描述', out_trade_no: '商户订单号', notify_url: '通知地址', total: '总金额', openid: '用户标识', refund: '退款金额', total_amount: '转账总金额', transfer_amount: '转账金额', out_refund_no: '商户退款单号', attach: '附加数据', payer: '支付者', amount: '订单金额'
}
const named = (path: string) => {
  const name = path.split('/').at(-1) as string
  return NAMES[name] ?? name
}

/** Recorded for `/body/payer/openid`「用户标识」. */
export const missing = (path: string): V3Error =>
  refuse(400, 'PARAM_ERROR', `输入源“/body/${path}”映射到字段“${named(path)}”必填性规则校验失败，此字段为必填项`, 268435461, { location: 'body', value: '' })

/** Recorded for `/body/amount/total`「总金额」and 0.01 (wechatpay-axios-plugin 38). */
const notInteger = (path: string, value: unknown): V3Error =>
  refuse(400, 'PARAM_ERROR', `无法将 JSON 输入源“/body/${path}”映射到目标字段“${named(path)}”中，此字段需要一个合法的 64 位有符号整数`, 268435461, { location: 'body', value })

/** Recorded for a call that sends `mch_id` instead of `mchid`. */
export const missingId = (name: string): V3Error =>
  refuse(400, 'PARAM_ERROR', `输入源“/${name}”映射到字段“${named(name)}”必填性规则校验失败，此字段为必填项`, 268435461, { location: 'uri_template', value: '' })

export const invalid = (path: string, message = `参数错误：${path}`): V3Error =>
  refuse(400, 'PARAM_ERROR', message, 268435464, { field: `/body/${path}`, location: 'body' })

export function shapeProblem (body: Json, shape: Shape): V3Error | undefined {
  const rules = shape.map(rule => ({ steps: rule.replace(/[!#]+$/, '').split('/'), isNeeded: rule.includes('!'), isWhole: rule.includes('#') }))
  // Types first, like WeChat.
  for (const { steps, isWhole } of rules) {
    if (!isWhole) continue
    const odd = found(body, steps).find(({ value }) => value !== undefined && !Number.isSafeInteger(value))
    if (odd) return notInteger(odd.path, odd.value)
  }
  for (const { steps, isNeeded } of rules) {
    const absent = isNeeded && found(body, steps).find(({ value }) => value === undefined || value === null || value === '')
    if (absent) return missing(absent.path)
  }
  const known = new Set(rules.map(({ steps }) => (steps[0] as string).replace('[]', '')))
  const odd = Object.keys(body).filter(name => !known.has(name))
  if (odd.length > 0) return refuse(400, 'PARAM_ERROR', '请求中含有未在API文档中定义的参数', 270924358, { location: null, value: odd.map(name => `/body/${name}`) })
}

/** The values at a path, one per item for arrays. Empty if the parent is missing. */
function found (body: Json, [step = '', ...rest]: string[], before = ''): Array<{ path: string, value: unknown }> {
  const name = step.replace('[]', '')
  const value = body[name]
  const path = before + name
  if (rest.length === 0) return [{ path, value }]
  if (value === undefined || value === null) return []
  return step.endsWith('[]')
    ? list(value).flatMap((item, at) => found(item, rest, `${path}/${at}/`))
    : found(object(value), rest, `${path}/`)
}
