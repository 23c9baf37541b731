/** Explains a refused signature of wx.config. */
import { createHash } from 'node:crypto'
import { decoded } from './decoded.ts'
import { explain } from './explanation.ts'
import type { Explanation, Mutation } from './explanation.ts'

interface Recipe {
  ticket: { name: string, value: string }
  names: readonly [ticket: string, nonce: string, timestamp: string, url: string]
  sorted: boolean
  nonce: string
  timestamp: string
  url: string
  hash: 'sha1' | 'md5'
  upper: boolean
}

export interface RefusedJssdk {
  nonce: string
  timestamp: string
  /** The page's URL, without its fragment. */
  url: string
  /** The same with its fragment. */
  address: string
  signature: string
  /** A valid jsapi_ticket; '' if none was ever issued. */
  ticket: string
  /** Other values that may have been used instead. */
  others: Array<{ id: 'ticket-dead' | 'ticket-card' | 'ticket-token', value: string }>
  /** Pages that called wx.config before this one. */
  earlierPages: string[]
}

export function explainJssdk ({ nonce, timestamp, url, address, signature, ticket, others, earlierPages }: RefusedJssdk): Explanation {
  return explain<Recipe>({
    about: 'jssdk',
    algorithm: 'SHA-1, lower-case hex',
    right: { ticket: { name: 'jsapi_ticket', value: ticket }, names: ['jsapi_ticket', 'noncestr', 'timestamp', 'url'], sorted: true, nonce, timestamp, url, hash: 'sha1', upper: false },
    mutations: [
      ...others.map(({ id, value }): Mutation<Recipe> => ({ id, change: recipe => ({ ...recipe, ticket: { name: NAMES[id], value } }) })),
      { id: 'upper-case', change: recipe => ({ ...recipe, upper: true }) },
      { id: 'other-algorithm', change: recipe => ({ ...recipe, hash: 'md5' }) },
      { id: 'names-camel-case', change: recipe => ({ ...recipe, names: ['jsapi_ticket', 'nonceStr', 'timestamp', 'url'] }) },
      { id: 'names-camel-case', change: recipe => ({ ...recipe, names: ['jsapi_ticket', 'nonceStr', 'timeStamp', 'url'] }) },
      { id: 'unsorted', change: recipe => ({ ...recipe, sorted: false }) },
      ...urls(url, address, earlierPages)
    ],
    signature,
    show: recipe => text(recipe, `<${recipe.ticket.name}>`),
    makes (recipe) {
      const hex = createHash(recipe.hash).update(text(recipe, recipe.ticket.value)).digest('hex')
      return (recipe.upper ? hex.toUpperCase() : hex) === signature
    }
  })
}

const NAMES = { 'ticket-dead': 'expired jsapi_ticket', 'ticket-card': 'wx_card ticket', 'ticket-token': 'access_token' } as const

function text ({ names, nonce, timestamp, url, sorted }: Recipe, ticket: string): string {
  const pairs = [`${names[0]}=${ticket}`, `${names[1]}=${nonce}`, `${names[2]}=${timestamp}`, `${names[3]}=${url}`]
  // The order that most code uses.
  return (sorted ? pairs : [pairs[1], pairs[0], pairs[2], pairs[3]]).join('&')
}

function urls (url: string, address: string, earlierPages: string[]): Array<Mutation<Recipe>> {
  const other = (id: Mutation<Recipe>['id'], changed: string | undefined): Mutation<Recipe> =>
    ({ id, change: recipe => changed === undefined || changed === url ? undefined : { ...recipe, url: changed } })
  const bare = url.split('?')[0] as string
  const { origin } = new URL(url)
  return [
    other('url-fragment', address),
    other('url-query-cut', bare),
    other('url-escaped', url.replaceAll('&', '&amp;')),
    other('url-encoded-whole', encodeURIComponent(url)),
    other('url-encoded-whole', encodeURIComponent(address)),
    other('url-encoded-whole', encodeURI(url)),
    other('url-decoded', decoded(url)),
    other('url-scheme', url.startsWith('https:') ? url.replace(/^https:/, 'http:') : url.replace(/^http:/, 'https:')),
    other('url-slash', url.endsWith('/') ? url.slice(0, -1) : `${url}/`),
    other('url-slash', bare.endsWith('/') ? url.replace(bare, bare.slice(0, -1)) : url.replace(bare, `${bare}/`)),
    other('url-origin', origin),
    other('url-origin', `${origin}/`),
    ...earlierPages.map(page => other('url-other-page', page))
  ]
}
