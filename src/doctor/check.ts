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
export interface Sentence extends Bilingual {
  status: CheckStatus
  advice?: Bilingual
}

export type Sentences = Readonly<Record<string, Sentence>>

const sentence = (status: CheckStatus) => (en: string, zh: string, advice?: string, adviceZh?: string): Sentence =>
  ({ status, en, zh, ...(advice !== undefined && { advice: { en: advice, zh: adviceZh ?? advice } }) })

export const passes = sentence('passed')
export const fails = sentence('failed')
export const warns = sentence('warning')
export const skips = sentence('skipped')

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
  sentences: Sentences
  run (context: CheckContext): RunResult<string> | Promise<RunResult<string>>
}

interface Plan<S extends Sentences> {
  needs?: readonly string[]
  /** Whether it needs the network. */
  online?: boolean
  sentences: S
  run (context: CheckContext): RunResult<keyof S & string> | Promise<RunResult<keyof S & string>>
}

export function check<const S extends Sentences> (id: string, { needs = [], online = false, sentences, run }: Plan<S>): PlannedCheck {
  return { id, needs, online, sentences, run }
}

/** Fills in the values, in one language. */
export function fillIn (words: Bilingual, lang: Lang, values: Finding['values'] = {}): string {
  return words[lang].replace(/\{(\w+)\}/g, (_all, name: string) => {
    const value = values[name] ?? ''
    return typeof value === 'object' ? value[lang] : String(value)
  })
}

/** A part that is not configured is no failure; dependent checks decide for themselves. */
export const UNUSED: Sentence = skips('not configured', '未配置')
