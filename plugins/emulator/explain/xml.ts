/** A request of v2 that was not read, or read as empty: no signature was looked at. */
import type { Explanation } from './explanation.ts'
import { mistake } from './mistakes.ts'
import type { MistakeId } from './mistakes.ts'

/** `root`: the document's, where there is one. */
export function explainXml (id: Extract<MistakeId, `xml-${string}`>, root?: string): Explanation {
  const expected = '<xml>…</xml>'
  const implied = root === undefined ? undefined : `<${root}>…</${root}>`
  return { about: 'v2', algorithm: 'XML', expected, ...(implied !== undefined && { implied, difference: { at: 1, expected, implied } }), signature: '', mistakes: [mistake(id)] }
}
