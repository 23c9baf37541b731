/** A check: an id, the checks it depends on, its possible results in both languages, and the function that runs it. */
import type { Patient } from './patient.ts'

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
export type Both = Readonly<Record<Lang, string>>

/** A possible result of a check. `{name}` is a placeholder for a value. */
export interface Sentence extends Both {
  status: CheckStatus
  advice?: Both
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
  values?: Readonly<Record<string, string | number | Both | undefined>>
  wechatCode?: string | undefined
  requestId?: string | undefined
  /** Replaces the result's own advice if WeChat's code is more specific. */
  advice?: Both | undefined
}

type Looked<Outcome extends string> = Outcome | Finding<Outcome>

export interface PlannedCheck {
  id: string
  /** Checks that must pass before this one makes sense. */
  needs: readonly string[]
  online: boolean
  sentences: Sentences
  look (patient: Patient): Looked<string> | Promise<Looked<string>>
}

interface Plan<S extends Sentences> {
  needs?: readonly string[]
  /** Whether it needs the network. */
  online?: boolean
  sentences: S
  look (patient: Patient): Looked<keyof S & string> | Promise<Looked<keyof S & string>>
}

export function check<const S extends Sentences> (id: string, { needs = [], online = false, sentences, look }: Plan<S>): PlannedCheck {
  return { id, needs, online, sentences, look }
}

/** Fills in the values, in one language. */
export function say (words: Both, lang: Lang, values: Finding['values'] = {}): string {
  return words[lang].replace(/\{(\w+)\}/g, (_all, name: string) => {
    const value = values[name] ?? ''
    return typeof value === 'object' ? value[lang] : String(value)
  })
}

/** A part that is not configured is no failure; dependent checks decide for themselves. */
export const UNUSED: Sentence = skips('not configured', '未配置')
