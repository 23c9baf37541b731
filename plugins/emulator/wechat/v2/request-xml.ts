/**
 * What merchants' libraries send to v2, read as leniently as WeChat reads it: any XML that is well-formed, with the
 * fields directly below its root. The strict reader of `src/` is for WeChat's own documents, not for these.
 */
import type { XMLParser, XMLValidator } from 'fast-xml-parser'
import type { Fields } from '../../../../src/pay/v2/xml.ts'

export interface RequestDocument {
  root: string
  /** Empty where the root is another than `xml` and `root`: WeChat then finds nothing in it (silenceper/wechat 277). */
  fields: Fields
}

/** Why a document cannot be read at all. */
export class NotXml extends Error {
  readonly isDoctype: boolean
  constructor (message: string, isDoctype = false) {
    super(message)
    this.isDoctype = isDoctype
  }
}

/** `<root>` is what xml2js writes unless told otherwise. */
const ROOTS = new Set(['xml', 'root'])
const MAX_FIELDS = 300

type Node = Record<string, unknown>

// Exact text: numbers stay text, blanks in a value are part of what was signed.
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
  // Without it the parser makes something of half a document, too.
  if (!text.startsWith('<') || validator.validate(text, { allowBooleanAttributes: true }) !== true) throw new NotXml('it is not well-formed')
  let roots: Node[]
  try {
    roots = elements(parser.parse(text))
  } catch {
    throw new NotXml('it is not well-formed')
  }
  const root = nameOf(roots[0])
  if (roots.length !== 1 || root === undefined) throw new NotXml('it has not one root')
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
