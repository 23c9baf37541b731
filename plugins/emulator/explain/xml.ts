/** Explains a v2 request that could not be read or counts as empty, so its signature was not checked. */
import type { Explanation } from './explanation.ts'
import { mistake } from './mistakes.ts'
import type { MistakeId } from './mistakes.ts'

/** `root`: the name of the document's root, if there is one. */
export function explainXml (id: Extract<MistakeId, `xml-${string}`>, root?: string): Explanation {
  const expected = '<xml>…</xml>'
  const implied = root === undefined ? undefined : `<${root}>…</${root}>`
  return { about: 'v2', algorithm: 'XML', expected, ...(implied !== undefined && { implied, difference: { at: 1, expected, implied } }), signature: '', mistakes: [mistake(id)] }
}
