/** Explains a refused signature: the expected text, the text that was probably signed, and the mistake. */
import { mistake } from './mistakes.ts'
import type { Mistake, MistakeId } from './mistakes.ts'

export interface Explanation {
  about: 'v2' | 'v3' | 'jssdk' | 'paySign'
  /** The expected signature's algorithm: `MD5, upper-case hex`. */
  algorithm: string
  /** The text to sign; secrets are named, not shown. */
  expected: string
  /** The text that produces the received signature, if a usual mistake explains it. */
  implied?: string
  /** Where the two texts first differ. */
  difference?: Difference
  /** The received signature; '' if the call was refused for another reason. */
  signature: string
  mistakes: Mistake[]
}

export interface Difference {
  /** Characters from the start. */
  at: number
  expected: string
  implied: string
}

/** A way to create a signature. `T`: the parts that a mistake can change. */
export interface Mutation<T> {
  id: MistakeId
  /** Undefined if it changes nothing. */
  change (recipe: T): T | undefined
}

export interface Search<T> {
  about: Explanation['about']
  algorithm: string
  /** The correct way. */
  right: T
  mutations: ReadonlyArray<Mutation<T>>
  signature: string
  /** The text that a recipe signs, with its secrets named instead of shown. */
  show (recipe: T): string
  makes (recipe: T): boolean
  /** The explanation if no mistake matches. Default: none. */
  otherwise?: MistakeId
}

/** Tries each mistake, then each pair of mistakes. */
export function explain<T> ({ about, algorithm, right, mutations, signature, show, makes, otherwise = 'unknown' }: Search<T>): Explanation {
  const expected = show(right)
  const base = { about, algorithm, expected, signature }
  const found = search(right, mutations, makes)
  if (!found) return { ...base, mistakes: [mistake(otherwise)] }
  const implied = show(found.recipe)
  const difference = firstDifference(expected, implied)
  return { ...base, implied, ...(difference && { difference }), mistakes: found.ids.map(mistake) }
}

function search<T> (right: T, mutations: ReadonlyArray<Mutation<T>>, makes: (recipe: T) => boolean): { recipe: T, ids: MistakeId[] } | undefined {
  if (makes(right)) return { recipe: right, ids: [] }
  const singles = mutations.flatMap(mutation => {
    const recipe = mutation.change(right)
    return recipe === undefined ? [] : [{ mutation, recipe }]
  })
  for (const { mutation, recipe } of singles) if (makes(recipe)) return { recipe, ids: [mutation.id] }
  for (const first of singles) {
    for (const second of mutations.slice(mutations.indexOf(first.mutation) + 1)) {
      const recipe = second.change(first.recipe)
      if (recipe !== undefined && makes(recipe)) return { recipe, ids: [first.mutation.id, second.id] }
    }
  }
}

/** Characters shown on each side of the difference. */
const AROUND = 24

function firstDifference (expected: string, implied: string): Difference | undefined {
  const length = Math.max(expected.length, implied.length)
  for (let at = 0; at < length; at++) {
    if (expected[at] !== implied[at]) return { at, expected: excerpt(expected, at), implied: excerpt(implied, at) }
  }
}

const excerpt = (text: string, at: number) => text.slice(Math.max(0, at - AROUND), at + AROUND)
