/** Converts a typed error to a result: WeChat's code, request id, and advice in both languages. */
import { WechatApiError, WechatNetworkError } from '../errors.ts'
import { fails } from './check.ts'
import type { Bilingual, Finding } from './check.ts'

/** Results shared by all checks that call WeChat. */
export const ERROR_RESULTS = {
  refused: fails('WeChat refused: {code} {message}', '微信拒绝：{code} {message}', 'Look up the code in docs/errors.md.', '请在 docs/zh-CN/errors.md 中查阅该错误码。'),
  lost: fails('no usable answer ({problem})', '没有得到可用的回复（{problem}）', 'Run it again. If the problem persists, something in between answers instead of WeChat or cuts connections.', '请重试；若仍如此，中间可能有设备代答或切断了连接。')
}

export function fromError<Outcome extends string = 'refused'> (error: unknown, outcome?: Outcome): Finding<Outcome | 'refused' | 'lost'> {
  if (!(error instanceof WechatApiError)) return { outcome: 'lost', values: { problem: error instanceof WechatNetworkError ? error.reason : (error as Error).message } }
  const { wechatCode = '', wechatMessage = '', requestId, advice, adviceZh } = error
  return {
    outcome: outcome ?? 'refused',
    values: { code: wechatCode, message: wechatMessage },
    wechatCode,
    requestId,
    ...(outcome === undefined && advice !== undefined && { advice: { en: advice, zh: adviceZh ?? advice } satisfies Bilingual })
  }
}
