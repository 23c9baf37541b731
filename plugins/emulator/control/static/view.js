// The dashboard's view state. All panels read it; only dashboard.js changes it.

import { WORDS } from './words.js'

export const view = {
  /** 0: English, 1: Chinese. */
  language: (localStorage.getItem('wechat-emulator-language') ?? navigator.language).startsWith('zh') ? 1 : 0,
  tab: 'orders',
  search: '',
  /** Only rows in this state; '': all. */
  filter: '',
  page: 1,
  /** The answer of `state`. */
  about: undefined,
  /** The open tab's records: `area`, `total`, `page`, `pages`, `states`, `items`. */
  records: undefined,
  /** Fetches again. Set by dashboard.js. */
  refresh: async () => {}
}

/** Selects from a pair of English and Chinese texts. */
export const oneOf = (texts) => texts[view.language]

/** @throws Error if the word is missing, so that nothing is shown untranslated */
export function t (word) {
  if (!Object.hasOwn(WORDS, word)) throw new Error(`words.js has no ${word}`)
  return oneOf(WORDS[word])
}

/** A word for one of WeChat's values, or the value itself. */
export const nameOf = (table, value) => table[value]?.[view.language] ?? value
