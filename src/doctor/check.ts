/** A check: an id, the checks it depends on, its possible results in both languages, and the function that runs it. */
import type { CheckContext } from './context.ts'

export type CheckStatus = 'passed' | 'failed' | 'warning' | 'skipped'

/** One line of the result. */
export interface Check {
  /** Stable, such as `v3.signature`; docs/going-live.md lists them all. */
  id: string
  status: CheckStatus
  /** What was found; for a skipped check, why it was skipped. */
  message: string
  /** What to do about it. */
  advice?: string
  /** WeChat's own code, if there is one. */
  wechatCode?: string
  /** WeChat's id of the request, for its support. */
  requestId?: string
}

export type Lang = 'en' | 'zh'
export type Bilingual = Readonly<Record<Lang, string>>

/** A possible result of a check. `{name}` is a placeholder for a value. */
export interface Message extends Bilingual {
  status: CheckStatus
  advice?: Bilingual
}

export type Messages = Readonly<Record<string, Message>>

const message = (status: CheckStatus) => (en: string, zh: string, advice?: string, adviceZh?: string): Message =>
  ({ status, en, zh, ...(advice !== undefined && { advice: { en: advice, zh: adviceZh ?? advice } }) })

export const passes = message('passed')
export const fails = message('failed')
export const warns = message('warning')
export const skips = message('skipped')

/** The values. */
export interface Finding<Outcome extends string = string> {
  outcome: Outcome
  values?: Readonly<Record<string, string | number | Bilingual | undefined>>
  wechatCode?: string | undefined
  requestId?: string | undefined
  /** Replaces the result's own advice if WeChat's code is more specific. */
  advice?: Bilingual | undefined
}

type RunResult<Outcome extends string> = Outcome | Finding<Outcome>

export interface PlannedCheck {
  id: string
  /** Checks that must pass before this one makes sense. */
  needs: readonly string[]
  online: boolean
  messages: Messages
  run (context: CheckContext): RunResult<string> | Promise<RunResult<string>>
}

interface Plan<S extends Messages> {
  needs?: readonly string[]
  /** Whether it needs the network. */
  online?: boolean
  messages: S
  run (context: CheckContext): RunResult<keyof S & string> | Promise<RunResult<keyof S & string>>
}

export function check<const S extends Messages> (id: string, { needs = [], online = false, messages, run }: Plan<S>): PlannedCheck {
  return { id, needs, online, messages, run }
}

/** Fills in the values, in one language. */
export function fillIn (words: Bilingual, lang: Lang, values: Finding['values'] = {}): string {
  return words[lang].replace(/\{(\w+)\}/g, (_all, name: string) => {
    const value = values[name] ?? ''
    return typeof value === 'object' ? value[lang] : String(value)
  })
}

/** A part that is not configured is no failure; dependent checks decide for themselves. */
export const UNUSED: Message = skips('not configured', '未配置')
