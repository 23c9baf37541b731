/** Explains a refused Authorization header of APIv3. */
import type { KeyObject } from 'node:crypto'
import { decoded } from './decoded.ts'
import { explain } from './explanation.ts'
import type { Explanation, Mutation } from './explanation.ts'
import { joined, line, lineEnds, openSignature, rightLines, sha256 } from './rsa.ts'
import type { Lines } from './rsa.ts'

interface Recipe extends Lines { hex: boolean }

export interface RefusedV3 {
  method: string
  /** Path and query, as sent. */
  url: string
  host: string
  timestamp: string
  nonce: string
  body: string
  /** As received. */
  signature: string
  merchantKey: KeyObject
}

export function explainV3 ({ method, url, host, timestamp, nonce, body, signature, merchantKey }: RefusedV3): Explanation {
  const asBase64 = openSignature(Buffer.from(signature, 'base64'), merchantKey)
  const asHex = /^[0-9a-f]+$/i.test(signature) ? openSignature(Buffer.from(signature, 'hex'), merchantKey) : undefined
  return explain<Recipe>({
    about: 'v3',
    algorithm: 'RSA with SHA-256 (PKCS#1 v1.5), Base64',
    right: { ...rightLines([method, url, timestamp, nonce, body]), hex: false },
    mutations: [
      { id: 'signature-hex', change: recipe => asHex && { ...recipe, hex: true } },
      ...lineEnds<Recipe>(),
      line<Recipe>(0, 'lower-case-method', () => method.toLowerCase()),
      ...urls(url, host),
      ...bodies(body)
    ],
    signature,
    show: joined,
    makes: recipe => sha256(joined(recipe)) === (recipe.hex ? asHex : asBase64)?.digest,
    otherwise: asHex?.digest ? asHex.otherwise : asBase64.otherwise
  })
}

function urls (url: string, host: string): Array<Mutation<Recipe>> {
  const [path = ''] = url.split('?')
  return [
    line<Recipe>(1, 'query-left-out', () => path),
    line<Recipe>(1, 'path-decoded', () => decoded(url)),
    ...[`https://${host}`, `http://${host}`, 'https://api.mch.weixin.qq.com'].map(origin => line<Recipe>(1, 'whole-url', () => origin + url))
  ]
}

function bodies (body: string): Array<Mutation<Recipe>> {
  if (body === '') return ['{}', 'null', '""', '[]'].map(text => line<Recipe>(4, 'body-invented', () => text))
  return [line<Recipe>(4, 'body-left-out', () => ''), ...otherJson(body).map(text => line<Recipe>(4, 'body-reserialized', () => text))]
}

/** The same JSON as libraries in other languages would write it. */
function otherJson (body: string): string[] {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return [body.trim()]
  }
  const compact = JSON.stringify(value)
  const escapedUnicode = (text: string) => text.replace(/[\u0080-\uffff]/g, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const spaced = JSON.stringify(value, null, 1).replace(/\n */g, ' ').replace(/([[{]) /g, '$1').replace(/ ([\]}])/g, '$1')
  const sortedKeys = JSON.stringify(sorted(value))
  return [compact, spaced, JSON.stringify(value, null, 2), JSON.stringify(value, null, 4), sortedKeys, body.trim()]
    .flatMap(text => [text, escapedUnicode(text), text.replaceAll('/', '\\/'), escapedUnicode(text).replaceAll('/', '\\/')])
}

function sorted (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => one < other ? -1 : 1).map(([name, inner]) => [name, sorted(inner)]))
}
