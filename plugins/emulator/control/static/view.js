// What the dashboard shows at the moment; every panel reads it, and dashboard.js alone changes it.

import { WORDS } from './words.js'

export const view = {
  /** 0: English, 1: Chinese. */
  language: (localStorage.getItem('wechat-emulator-language') ?? navigator.language).startsWith('zh') ? 1 : 0,
  tab: 'orders',
  search: '',
  /** Of the open tab's rows: only those in this state; '': all. */
  filter: '',
  page: 1,
  /** What `state` answers. */
  about: undefined,
  /** What is shown of the open tab: `area`, `total`, `page`, `pages`, `states`, `items`. */
  records: undefined,
  /** Asks again. Set by dashboard.js. */
  refresh: async () => {}
}

/** @throws Error where a word is missing: none is shown untranslated */
export function say (word) {
  if (!Object.hasOwn(WORDS, word)) throw new Error(`words.js has no ${word}`)
  return WORDS[word][view.language]
}

/** A word for one of WeChat's values, or the value itself. */
export const sayOr = (table, value) => table[value]?.[view.language] ?? value
