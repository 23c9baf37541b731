/** The result as text: a line for each check, advice below it, and a summary. */
import type { Check, CheckStatus, Lang } from '../../src/doctor/check.ts'
import type { Diagnosis } from '../../src/doctor/diagnose.ts'

const SIGNS: Readonly<Record<CheckStatus, string>> = { passed: '✓', failed: '✗', warning: '!', skipped: '-' }
/** SGR codes: green, bold red, yellow, dim. */
const COLORS: Readonly<Record<CheckStatus, string>> = { passed: '32', failed: '1;31', warning: '33', skipped: '2' }

const AREAS: Readonly<Record<string, Readonly<Record<Lang, string>>>> = {
  keys: { en: 'Keys', zh: '密钥与证书' },
  server: { en: 'This server', zh: '本服务器' },
  account: { en: 'Official Account', zh: '公众号' },
  v3: { en: 'WeChat Pay v3', zh: '微信支付 v3' },
  v2: { en: 'WeChat Pay v2', zh: '微信支付 v2' },
  redis: { en: 'Redis', zh: 'Redis' },
  application: { en: 'Your application', zh: '应用自身' }
}

const SUM: Readonly<Record<Lang, Readonly<Record<CheckStatus, string>>>> = {
  en: { passed: 'passed', failed: 'failed', warning: 'to review', skipped: 'skipped' },
  zh: { passed: '项通过', failed: '项失败', warning: '项需留意', skipped: '项跳过' }
}
const VERDICT = {
  en: { ok: 'Nothing is broken', broken: 'Something is broken' },
  zh: { ok: '没有发现问题', broken: '发现问题' }
}

/** `pay.app-id` uses a v2 call. */
const areaOf = ({ id }: Check): string => {
  const area = id.slice(0, id.indexOf('.'))
  return area === 'pay' ? 'v2' : area
}

export interface TextOptions { lang: Lang, color: boolean, seconds: number }

export function textOf ({ ok, checks }: Diagnosis, { lang, color, seconds }: TextOptions): string {
  const paint = (code: string, text: string) => color ? `\x1b[${code}m${text}\x1b[0m` : text
  const width = Math.max(...checks.map(({ id }) => id.length))

  function linesOf ({ id, status, message, advice, wechatCode, requestId }: Check): string[] {
    const isTrouble = status === 'failed' || status === 'warning'
    const origin = [wechatCode, requestId].filter(Boolean).join(' ')
    const tail = isTrouble && origin !== '' ? ` [${origin}]` : ''
    return [
      `  ${paint(COLORS[status], SIGNS[status])} ${status === 'skipped' ? paint('2', id.padEnd(width)) : id.padEnd(width)}  ${status === 'passed' ? message : paint(COLORS[status], message)}${tail}`,
      ...(advice !== undefined && isTrouble ? [`    ${' '.repeat(width)}  → ${advice}`] : [])
    ]
  }

  const areas = grouped(checks)
  const parts = [...areas].map(([area, checks]) => [paint('1', AREAS[area]?.[lang] ?? area), ...checks.flatMap(linesOf)].join('\n'))
  const count = (status: CheckStatus) => checks.filter(check => check.status === status).length
  const sum = (['passed', 'failed', 'warning', 'skipped'] as const).filter(status => count(status) > 0).map(status => `${count(status)} ${SUM[lang][status]}`).join(lang === 'zh' ? '，' : ', ')
  const verdict = paint(ok ? COLORS.passed : COLORS.failed, VERDICT[lang][ok ? 'ok' : 'broken'])
  return `${parts.join('\n\n')}\n\n${verdict}${lang === 'zh' ? '：' : ': '}${sum} (${seconds.toFixed(1)} s)\n`
}

function grouped (checks: readonly Check[]): Map<string, Check[]> {
  const areas = new Map<string, Check[]>()
  for (const check of checks) areas.set(areaOf(check), [...areas.get(areaOf(check)) ?? [], check])
  return areas
}

/** A progress line that overwrites itself. */
export const progressLine = ({ done, total, id }: { done: number, total: number, id: string }, lang: Lang): string =>
  `\r\x1b[K${lang === 'zh' ? '检查中' : 'checking'} ${done}/${total}  ${id}`
