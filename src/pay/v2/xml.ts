/**
 * WeChat's v2 documents: one root, flat, text only. Whatever else a parser might make of a document (duplicates into
 * arrays, nesting into objects, entities, comments, a second root) is refused, since it could look signed and is not.
 */
import { XMLBuilder, XMLParser, XMLValidator } from 'fast-xml-parser'

/** Element names and their exact text. Has no prototype: a name that was not sent is always undefined. */
export type Fields = Record<string, string>

export class XmlShapeError extends Error {}

const MAX_BYTES = 64 * 1024
const MAX_FIELDS = 300

const builder = new XMLBuilder({ processEntities: true })
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  cdataPropName: '#cdata'
})
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type XmlNode = Record<string, unknown>

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
  const text = decode(bytes).replace(/^<\?xml version="1\.0"(?: encoding="utf-8")?\s*\?>/i, '')
  // The parser would skip it silently.
  if (text.startsWith('\ufeff')) throw new XmlShapeError('begins with a byte-order mark')
  // What stands outside CDATA decides about markup, before the parser spends time on it.
  const markup = text.replace(/<!\[CDATA\[[\s\S]*?\]\]>/g, '')
  if (/<[!?]/.test(markup)) throw new XmlShapeError('holds a DOCTYPE, a comment or an instruction')
  if (markup.split('</', MAX_FIELDS + 2).length > MAX_FIELDS + 1 || markup.split('/>', MAX_FIELDS + 2).length > MAX_FIELDS + 1) {
    throw new XmlShapeError('holds too many fields')
  }
  const roots = parse(text).filter(node => !isBlank(node))
  const [only] = roots
  if (roots.length !== 1 || !only || nameOf(only) !== root) throw new XmlShapeError(`is not one <${root}>`)

  const fields: Fields = Object.create(null)
  for (const node of childrenOf(only)) {
    if (isBlank(node)) continue
    const name = nameOf(node)
    if (!/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name)) throw new XmlShapeError('holds text or an odd name between its fields')
    if (name in fields) throw new XmlShapeError('holds a field twice')
    fields[name] = childrenOf(node).map(textOf).join('')
  }
  return fields
}

function decode (bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new XmlShapeError('is not UTF-8')
  }
}

function parse (text: string): XmlNode[] {
  try {
    // The parser mends what is not well-formed; only the validator reports it.
    if (XMLValidator.validate(text) === true) return parser.parse(text)
  } catch { /* what the parser refuses is refused here too, in our own words */ }
  throw new XmlShapeError('is not well-formed XML')
}

function nameOf (node: XmlNode): string {
  if (':@' in node) throw new XmlShapeError('holds an attribute')
  return Object.keys(node)[0] as string
}

const childrenOf = (node: XmlNode) => node[nameOf(node)] as XmlNode[]

const isBlank = (node: XmlNode) => typeof node['#text'] === 'string' && node['#text'].trim() === ''

function textOf (node: XmlNode): string {
  if ('#cdata' in node) return (node['#cdata'] as XmlNode[]).map(part => part['#text']).join('')
  if (typeof node['#text'] === 'string') return unescape(node['#text'])
  throw new XmlShapeError('holds a field inside a field')
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'' }

/** XML's five entities and character references; anything else would have to come from a DOCTYPE. */
function unescape (text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{1,5}));|&/gi, (_all, decimal?: string, hex?: string, name: string = '') => {
    const point = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : NaN
    const char = Number.isNaN(point) ? ENTITIES[name] : point <= 0x10ffff ? String.fromCodePoint(point) : undefined
    if (char === undefined || !/^[\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]$/u.test(char)) throw new XmlShapeError('holds an unknown entity')
    return char
  })
}
