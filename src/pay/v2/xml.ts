/**
 * Reads WeChat's v2 documents: one root, flat, text only. A full XML parser accepts much more than that
 * (duplicates, nesting, entities, comments, a second root), and such a document could seem signed without being so.
 * So this parser accepts only the small grammar that WeChat uses, in one pass, and refuses everything else.
 * Tests compare its results with fast-xml-parser's.
 */
import { isUtf8 } from 'node:buffer'

/** Element names and their exact text. Has no prototype: a missing name is always undefined. */
export type Fields = Record<string, string>

export class XmlShapeError extends Error {}

const MAX_BYTES = 64 * 1024
const MAX_FIELDS = 300
const MAX_NAME = 64
const PROTOTYPE: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype))

/**
 * The names of a document's fields. WeChat's messages of one kind have the same fields in the same order, so the last
 * message's names are tried first. A wrong guess only costs time: each name is compared with the document.
 */
export interface Shape {
  /** In the document's order. Never modified, but replaced if the next document has other names. */
  names: readonly string[]
  /** The same in byte order, computed when needed. */
  sorted: readonly string[] | undefined
}

export const createShape = (): Shape => ({ names: [], sorted: undefined })

/** The same names in byte order, as signatures need them. */
export const sortedNames = (shape: Shape): readonly string[] => (shape.sorted ??= [...shape.names].sort())

/**
 * Reads a document of WeChat's shape.
 * @param root `xml`, or `root` inside a refund notification
 * @param shape names to expect; afterwards, this document's
 * @throws XmlShapeError saying what is wrong, without quoting the document
 */
export function readXml (bytes: Uint8Array, root = 'xml', shape: Shape = createShape()): Fields {
  if (bytes.length > MAX_BYTES) throw new XmlShapeError('larger than 64 kB')
  const text = decode(bytes)
  const fields: Fields = Object.create(null)
  const expected = shape.names
  // Set when this document differs from the expected names.
  let names: string[] | undefined
  let count = 0
  let at = skipBlanks(text, opening(text, root))
  for (;;) {
    let name = names === undefined && count < expected.length ? expected[count] : undefined
    let nameEnd: number
    if (name !== undefined && text.startsWith(name, at + 1) && text.charCodeAt(at + 1 + name.length) === GREATER && text.charCodeAt(at) === LESS) {
      nameEnd = at + 1 + name.length
    } else {
      nameEnd = endOfName(text, at)
      if (nameEnd === -1) break
      name = text.slice(at + 1, nameEnd)
      if (fields[name] !== undefined) throw new XmlShapeError('has a duplicate field')
      // Fields have no prototype, but a caller's copy may.
      if (PROTOTYPE.has(name)) throw new XmlShapeError('has a field with a reserved name')
      if (count === MAX_FIELDS) throw new XmlShapeError('has too many fields')
      names ??= expected.slice(0, count)
      names.push(name)
    }
    count++
    if (text.charCodeAt(nameEnd) === SLASH) {
      fields[name] = ''
      at = skipBlanks(text, nameEnd + 2)
      continue
    }
    const from = nameEnd + 1
    // Fast path: a single CDATA section, as WeChat writes nearly all fields.
    const section = text.startsWith(CDATA, from) ? text.indexOf(']]>', from) : -1
    const isWhole = section !== -1 && text.charCodeAt(section + 3) === LESS && text.charCodeAt(section + 4) === SLASH
    const end = isWhole ? section + 3 : valueEnd(text, from)
    fields[name] = isWhole ? text.slice(from + CDATA.length, section) : valueOf(text, from, end)
    const close = end + 2 + name.length
    if (text.charCodeAt(end + 1) !== SLASH || text.charCodeAt(close) !== GREATER || !text.startsWith(name, end + 2)) {
      throw new XmlShapeError('has a nested or unclosed field')
    }
    at = skipBlanks(text, close + 1)
  }
  if (!text.startsWith(`</${root}>`, at) || skipBlanks(text, at + root.length + 3) !== text.length) {
    throw new XmlShapeError(`is not a single <${root}> that contains only fields`)
  }
  if (names || count !== expected.length) {
    shape.names = names ?? expected.slice(0, count)
    shape.sorted = undefined
  }
  return fields
}

const LESS = 0x3c
const GREATER = 0x3e
const SLASH = 0x2f
const OPENING = /^(?:<\?xml version="1\.0"(?: encoding="utf-8")? ?\?>)?[ \t\r\n]*<([a-z]+)>/i
const CDATA = '<![CDATA['

function decode (bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new XmlShapeError('is not UTF-8')
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  // Control characters are invalid everywhere in XML.
  if (ODD.test(text)) throw new XmlShapeError('contains a character that is invalid in XML')
  return text
}

/** The start of the root's contents. */
function opening (text: string, root: string): number {
  const [head = '', name] = OPENING.exec(text) ?? []
  if (name !== root) throw new XmlShapeError(`is not a single <${root}> that contains only fields`)
  return head.length
}

/** The end of the field name that starts here, at `>` or `/>`; -1 if no field starts here. Attributes, colons and so on are not allowed. */
function endOfName (text: string, at: number): number {
  if (text.charCodeAt(at) !== LESS || !isLetter(text.charCodeAt(at + 1))) return -1
  let end = at + 2
  for (let code = text.charCodeAt(end); isLetter(code) || (code >= 0x30 && code <= 0x39) || code === 0x5f; code = text.charCodeAt(end)) end++
  const closes = text.charCodeAt(text.charCodeAt(end) === SLASH ? end + 1 : end) === GREATER
  return closes && end - at <= MAX_NAME + 1 ? end : -1
}

const isLetter = (code: number) => (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a

function skipBlanks (text: string, from: number): number {
  let at = from
  for (let code = text.charCodeAt(at); code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09; code = text.charCodeAt(at)) at++
  return at
}

/** The position of the next tag, skipping CDATA sections. */
function valueEnd (text: string, from: number): number {
  let at = text.indexOf('<', from)
  while (at !== -1 && text.startsWith(CDATA, at)) {
    const end = text.indexOf(']]>', at)
    if (end === -1) break
    at = text.indexOf('<', end)
  }
  if (at === -1 || text.startsWith(CDATA, at)) throw new XmlShapeError('is truncated')
  return at
}

/** The exact text between two tags: CDATA unchanged, the rest with entities decoded. */
function valueOf (text: string, from: number, end: number): string {
  let value = ''
  for (let at = from; at < end;) {
    const section = text.indexOf(CDATA, at)
    const plain = section === -1 || section > end ? end : section
    if (plain > at) value += plainText(text.slice(at, plain))
    if (plain === end) break
    const close = text.indexOf(']]>', plain)
    value += text.slice(plain + CDATA.length, close)
    at = close + 3
  }
  return value
}

/** Characters that are invalid in XML. Valid UTF-8 cannot produce half a surrogate pair. */
const ODD = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/

/** An ampersand that starts no valid entity. Checked first, because `replace` collects all matches before it processes one. */
const STRAY = /&(?!(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);)/
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'' }

/** XML's five entities and character references; any other entity would need a DOCTYPE. */
function plainText (text: string): string {
  if (text.includes(']]>')) throw new XmlShapeError('ends a CDATA section that was not started')
  if (!text.includes('&')) return text
  if (STRAY.test(text)) throw new XmlShapeError('has an unknown entity')
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));/g, (_all, decimal?: string, hex?: string, name: string = '') => {
    const point = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : NaN
    const char = Number.isNaN(point) ? ENTITIES[name] : point <= 0x10ffff ? String.fromCodePoint(point) : undefined
    if (char === undefined || ODD.test(char) || !char.isWellFormed()) throw new XmlShapeError('has an unknown entity')
    return char
  })
}
