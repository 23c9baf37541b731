/** Writes v2 documents. Separate from reading them, so that code that only reads does not load fast-xml-parser. */
import { XMLBuilder } from 'fast-xml-parser'
import type { Fields } from './xml.ts'

const builder = new XMLBuilder({ processEntities: true })

/** Writes a request. Text is escaped, so that no value can close its element and start another. */
export function writeXml (fields: Readonly<Fields>): string {
  return builder.build({ xml: fields })
}
