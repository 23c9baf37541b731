/** `diagnose()`: checks whether a configuration works. Changes nothing at WeChat: only reads, and queries numbers that cannot exist. */
import { accountChecks } from './official-account.ts'
import { applicationChecks } from './application.ts'
import { fillIn, skips } from './check.ts'
import type { Check, Finding, PlannedCheck, Message } from './check.ts'
import { keyChecks } from './keys.ts'
import { createContext } from './context.ts'
import type { DiagnoseOptions, DiagnoseSettings } from './context.ts'
import { payV2Checks } from './pay-v2.ts'
import { payV3Checks } from './pay-v3.ts'
import { withTimeout } from '../with-timeout.ts'
import { redisChecks } from './redis.ts'
import { ownServerChecks } from './own-server.ts'
import { serverChecks } from './server.ts'

export interface Diagnosis {
  /** False if a check has failed. */
  ok: boolean
  checks: Check[]
}

/** All checks, in display order. */
export const CHECKS: readonly PlannedCheck[] = [...keyChecks, ...serverChecks, ...accountChecks, ...payV3Checks, ...payV2Checks, ...ownServerChecks, ...redisChecks, ...applicationChecks]

/** Maximum milliseconds per check. */
const CHECK_TIMEOUT = 30_000

const OFFLINE = skips('needs the network, which is disabled (offline)', '需要联网，已要求离线')
const WAITS: Message = skips('skipped until {id} passes', '待 {id} 解决后再检查')
const BROKEN: Message = { status: 'failed', en: 'the check itself failed ({error})', zh: '检查本身出错（{error}）' }

interface Outcome {
  check: Check
  /** The check that must pass first: this one, or the one it waits for. */
  cause?: string | undefined
}

/**
 * Checks the options of `app.register(wechatPay, …)`; takes seconds. Independent checks run concurrently;
 * a check that depends on a failed one is skipped, so that one mistake is one failure.
 * Does not throw if the options are wrong; the result contains no secrets.
 */
export async function runChecks (options: DiagnoseOptions, settings: DiagnoseSettings = {}): Promise<Diagnosis> {
  const context = createContext(options, settings)
  const running = new Map<string, Promise<Outcome>>()
  let done = 0

  const outcomeOf = (planned: PlannedCheck) => {
    let outcome = running.get(planned.id)
    if (!outcome) {
      running.set(planned.id, outcome = decide(planned).then(outcome => {
        settings.onProgress?.({ done: ++done, total: CHECKS.length, id: planned.id })
        return outcome
      }))
    }
    return outcome
  }

  async function decide (planned: PlannedCheck): Promise<Outcome> {
    const bases = await Promise.all(planned.needs.map(async id => await outcomeOf(named(id))))
    const cause = bases.find(({ cause }) => cause !== undefined)?.cause
    if (planned.online && settings.offline) return { check: toCheck(planned, OFFLINE), cause: planned.id }
    if (cause !== undefined) return { check: toCheck(planned, WAITS, { values: { id: cause } }), cause }
    let result
    try {
      result = await withTimeout(CHECK_TIMEOUT, async () => await planned.run(context), tooLate)
    } catch (error) {
      const { name, code } = error as { name?: string, code?: string }
      return { check: toCheck(planned, BROKEN, { values: { error: [name, code].filter(Boolean).join(' ') } }), cause: planned.id }
    }
    const finding = typeof result === 'string' ? { outcome: result } : result
    const message = planned.messages[finding.outcome] as Message
    return { check: toCheck(planned, message, finding), ...(message.status === 'failed' && { cause: planned.id }) }
  }

  function toCheck ({ id }: PlannedCheck, message: Message, { values, wechatCode, requestId, advice = message.advice }: Partial<Finding> = {}): Check {
    const { lang = 'en' } = settings
    const words = (text: string) => clean(text, context.secrets)
    return {
      id,
      status: message.status,
      message: words(fillIn(message, lang, values)),
      ...(advice && message.status !== 'passed' && { advice: words(fillIn(advice, lang, values)) }),
      ...(wechatCode && { wechatCode: words(wechatCode) }),
      ...(requestId && { requestId: words(requestId) })
    }
  }

  const outcomes = await Promise.all(CHECKS.map(outcomeOf))
  const checks = outcomes.map(({ check }) => check)
  return { ok: checks.every(({ status }) => status !== 'failed'), checks }
}

const BY_ID = new Map(CHECKS.map(planned => [planned.id, planned]))
const named = (id: string) => BY_ID.get(id) as PlannedCheck

/** Quoted text may contain a secret, or control characters that affect a terminal. */
function clean (text: string, secrets: Iterable<string>): string {
  let cleaned = text
  for (const secret of secrets) cleaned = cleaned.replaceAll(secret, '***')
  return cleaned.replace(/[\0-\x1f\x7f-\x9f]/g, ' ').slice(0, 1000)
}

const tooLate = () => Object.assign(new Error(), { name: 'TIMEOUT' })
