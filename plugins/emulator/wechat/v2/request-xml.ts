/**
 * Reads the XML of v2 requests as leniently as WeChat does: any well-formed document with the
 * fields directly below its root. The strict reader in `src/` is for documents from WeChat.
 */
import type { XMLParser, XMLValidator } from 'fast-xml-parser'
import type { Fields } from '../../../../src/pay/v2/xml.ts'

export interface RequestDocument {
  root: string
  /** Empty unless the root is `xml` or `root`: WeChat then finds no fields (silenceper/wechat 277). */
  fields: Fields
}

/** The document cannot be read. */
export class NotXml extends Error {
  readonly isDoctype: boolean
  constructor (message: string, isDoctype = false) {
    super(message)
    this.isDoctype = isDoctype
  }
}

/** `<root>` is xml2js's default. */
const ROOTS = new Set(['xml', 'root'])
const MAX_FIELDS = 300

type Node = Record<string, unknown>

// Exact text: numbers stay text, and whitespace in a value was signed.
const OPTIONS = { preserveOrder: true, parseTagValue: false, ignoreAttributes: true, trimValues: false, processEntities: true, htmlEntities: true, cdataPropName: '#cdata', commentPropName: '#comment' }

let loaded: Promise<{ parser: XMLParser, validator: typeof XMLValidator }> | undefined

/** By the first document. */
async function load () {
  const { XMLParser, XMLValidator } = await import('fast-xml-parser')
  return { parser: new XMLParser(OPTIONS), validator: XMLValidator }
}

/** @throws NotXml */
export async function readRequestXml (bytes: Uint8Array): Promise<RequestDocument> {
  const { parser, validator } = await (loaded ??= load())
  const text = Buffer.from(bytes).toString().replace(/^\ufeff/, '').trim()
  if (/<!DOCTYPE/i.test(text.replace(/<!\[CDATA\[[^]*?\]\]>|<!--[^]*?-->/g, ''))) throw new NotXml('it has a DOCTYPE', true)
  // Without validation the parser accepts truncated documents.
  if (!text.startsWith('<') || validator.validate(text, { allowBooleanAttributes: true }) !== true) throw new NotXml('it is not well-formed')
  let roots: Node[]
  try {
    roots = elements(parser.parse(text))
  } catch {
    throw new NotXml('it is not well-formed')
  }
  const root = nameOf(roots[0])
  if (roots.length !== 1 || root === undefined) throw new NotXml('it must have exactly one root')
  return { root, fields: ROOTS.has(root) ? fieldsOf(elements(roots[0]?.[root])) : Object.create(null) as Fields }
}

function fieldsOf (children: Node[]): Fields {
  const fields = Object.create(null) as Fields
  if (children.length > MAX_FIELDS) throw new NotXml('it has too many fields')
  for (const child of children) {
    const name = nameOf(child) as string
    if (name in fields || name in Object.prototype) throw new NotXml('it has a field twice')
    const inside = child[name] as Node[]
    if (elements(inside).length > 0) throw new NotXml('it has a field inside a field')
    fields[name] = inside.map(part => typeof part['#text'] === 'string' ? part['#text'] : textOf(part['#cdata'])).join('')
  }
  return fields
}

const isMeta = (name: string) => name.startsWith('#') || name.startsWith('?') || name === ':@'
const nameOf = (node: Node | undefined) => Object.keys(node ?? {}).find(name => !isMeta(name))
const elements = (nodes: unknown): Node[] => (nodes as Node[]).filter(node => nameOf(node) !== undefined)
const textOf = (cdata: unknown) => Array.isArray(cdata) ? cdata.map(part => String((part as Node)['#text'] ?? '')).join('') : ''
