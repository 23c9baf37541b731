/** Writes v2 documents. */
import type { Fields } from './xml.ts'

const SPECIAL = /[&<>"']/
const ENTITIES: ReadonlyArray<readonly [RegExp, string]> = [[/&/g, '&amp;'], [/>/g, '&gt;'], [/</g, '&lt;'], [/'/g, '&apos;'], [/"/g, '&quot;']]

/** Writes a request. Text is escaped, so that no value can close its element and start another. */
export function writeXml (fields: Readonly<Fields>): string {
  let text = '<xml>'
  for (const name of Object.keys(fields)) {
    const value = fields[name] as string
    text += `<${name}>${SPECIAL.test(value) ? escaped(value) : value}</${name}>`
  }
  return `${text}</xml>`
}

function escaped (value: string): string {
  let text = value
  for (const [char, entity] of ENTITIES) text = text.replace(char, entity)
  return text
}
