/** What a check is: an id, what it builds on, the sentences it may end with in both languages, and how it looks. */
import type { Patient } from './patient.ts'

export type CheckStatus = 'passed' | 'failed' | 'warning' | 'skipped'

/** One line of the answer. */
export interface Check {
  /** Stable, such as `v3.signature`; docs/going-live.md lists them all. */
  id: string
  status: CheckStatus
  /** What was seen; for a skipped one: why nobody looked. */
  message: string
  /** What to do about it. */
  advice?: string
  /** WeChat's own code, where it gave one. */
  wechatCode?: string
  /** WeChat's id of the request, for its support. */
  requestId?: string
}

export type Lang = 'en' | 'zh'
export type Both = Readonly<Record<Lang, string>>

/** How a check may end. `{name}` stands for a value that was seen. */
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

/** What was seen. */
export interface Finding<Outcome extends string = string> {
  outcome: Outcome
  values?: Readonly<Record<string, string | number | Both | undefined>>
  wechatCode?: string | undefined
  requestId?: string | undefined
  /** Better than the sentence's own, where WeChat's code says more. */
  advice?: Both | undefined
}

type Looked<Outcome extends string> = Outcome | Finding<Outcome>

export interface PlannedCheck {
  id: string
  /** Checks that make this one pointless if they fail. */
  needs: readonly string[]
  online: boolean
  sentences: Sentences
  look (patient: Patient): Looked<string> | Promise<Looked<string>>
}

interface Plan<S extends Sentences> {
  needs?: readonly string[]
  /** Asks somebody outside this process. */
  online?: boolean
  sentences: S
  look (patient: Patient): Looked<keyof S & string> | Promise<Looked<keyof S & string>>
}

export function check<const S extends Sentences> (id: string, { needs = [], online = false, sentences, look }: Plan<S>): PlannedCheck {
  return { id, needs, online, sentences, look }
}

/** Values put into a sentence, in one language. */
export function say (words: Both, lang: Lang, values: Finding['values'] = {}): string {
  return words[lang].replace(/\{(\w+)\}/g, (_all, name: string) => {
    const value = values[name] ?? ''
    return typeof value === 'object' ? value[lang] : String(value)
  })
}

/** What nobody configured is no failure, and what builds on it looks for itself. */
export const UNUSED: Sentence = skips('not configured', '未配置')
