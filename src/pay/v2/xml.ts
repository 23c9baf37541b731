/**
 * WeChat's v2 documents: one root, flat, text only. A parser of all of XML makes something of much more than that
 * (duplicates into arrays, nesting into objects, entities, comments, a second root), which could look signed and is not.
 * So documents are read by the small grammar that WeChat writes, in one pass, and whatever else they hold is refused;
 * fast-xml-parser writes ours, and in the tests is the witness that both read the same.
 */
import { XMLBuilder } from 'fast-xml-parser'

/** Element names and their exact text. Has no prototype: a name that was not sent is always undefined. */
export type Fields = Record<string, string>

export class XmlShapeError extends Error {}

const MAX_BYTES = 64 * 1024
const MAX_FIELDS = 300

const builder = new XMLBuilder({ processEntities: true })
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Writes a request. Text is escaped, so that no value can close its element and open another. */
export function writeXml (fields: Readonly<Fields>): string {
  return builder.build({ xml: fields })
}

/**
 * Reads a document of WeChat's shape.
 * @param root `xml`, or `root` inside a refund notification
 * @throws XmlShapeError saying what is wrong, without quoting the document
 */
export function readXml (bytes: Uint8Array, root = 'xml'): Fields {
  if (bytes.length > MAX_BYTES) throw new XmlShapeError('larger than 64 kB')
  const text = decode(bytes)
  const fields: Fields = Object.create(null)
  let count = 0
  let at = opening(text, root)
  for (;;) {
    at = skipBlanks(text, at)
    FIELD.lastIndex = at
    const [tag, name, empty] = FIELD.exec(text) ?? []
    if (name === undefined) break
    if (name in fields) throw new XmlShapeError('holds a field twice')
    // Fields have no prototype, but a caller's copy of them may.
    if (name in Object.prototype) throw new XmlShapeError('holds a field of an odd name')
    if (++count > MAX_FIELDS) throw new XmlShapeError('holds too many fields')
    at += (tag as string).length
    if (empty) {
      fields[name] = ''
      continue
    }
    const end = valueEnd(text, at)
    fields[name] = valueOf(text, at, end)
    const close = `</${name}>`
    if (!text.startsWith(close, end)) throw new XmlShapeError('holds a field inside a field, or one without its end')
    at = end + close.length
  }
  if (!text.startsWith(`</${root}>`, at) || skipBlanks(text, at + root.length + 3) !== text.length) {
    throw new XmlShapeError(`is not one <${root}> with nothing but fields in it`)
  }
  return fields
}

/** The tag that opens a field; without attributes, colons and what else WeChat never writes. */
const FIELD = /<([A-Za-z][A-Za-z0-9_]{0,63})(\/?)>/y
const OPENING = /^(?:<\?xml version="1\.0"(?: encoding="utf-8")? ?\?>)?[ \t\r\n]*<([a-z]+)>/i
const CDATA = '<![CDATA['

function decode (bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new XmlShapeError('is not UTF-8')
  }
}

/** Where the root's contents begin. */
function opening (text: string, root: string): number {
  const [head = '', name] = OPENING.exec(text) ?? []
  if (name !== root) throw new XmlShapeError(`is not one <${root}> with nothing but fields in it`)
  return head.length
}

function skipBlanks (text: string, from: number): number {
  let at = from
  for (let code = text.charCodeAt(at); code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09; code = text.charCodeAt(at)) at++
  return at
}

/** Where the next tag stands, CDATA sections passed over. */
function valueEnd (text: string, from: number): number {
  let at = text.indexOf('<', from)
  while (at !== -1 && text.startsWith(CDATA, at)) {
    const end = text.indexOf(']]>', at)
    if (end === -1) break
    at = text.indexOf('<', end)
  }
  if (at === -1 || text.startsWith(CDATA, at)) throw new XmlShapeError('is cut')
  return at
}

/** The exact text between two tags: what stands in CDATA as it is, what stands outside with its entities read. */
function valueOf (text: string, from: number, end: number): string {
  let value = ''
  for (let at = from; at < end;) {
    const section = text.indexOf(CDATA, at)
    const plain = section === -1 || section > end ? end : section
    if (plain > at) value += plainText(text.slice(at, plain))
    if (plain === end) break
    const close = text.indexOf(']]>', plain)
    value += characters(text.slice(plain + CDATA.length, close))
    at = close + 3
  }
  return value
}

const ODD = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u

/** Control characters are no characters of XML, wherever they stand. */
function characters (text: string): string {
  if (ODD.test(text)) throw new XmlShapeError('holds a character that XML has not')
  return text
}

/** An ampersand that begins none of them. Looked for first: `replace` finds all matches before it looks at one. */
const STRAY = /&(?!(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);)/
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'' }

/** XML's five entities and character references; anything else would have to come from a DOCTYPE. */
function plainText (text: string): string {
  if (text.includes(']]>')) throw new XmlShapeError('ends a CDATA section that it did not begin')
  if (!text.includes('&')) return characters(text)
  if (STRAY.test(text)) throw new XmlShapeError('holds an unknown entity')
  return characters(text).replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));/g, (_all, decimal?: string, hex?: string, name: string = '') => {
    const point = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : NaN
    const char = Number.isNaN(point) ? ENTITIES[name] : point <= 0x10ffff ? String.fromCodePoint(point) : undefined
    if (char === undefined || ODD.test(char)) throw new XmlShapeError('holds an unknown entity')
    return char
  })
}
