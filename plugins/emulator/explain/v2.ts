/** Explains a refused v2 signature of a call or of a page's parameters. */
import { createHash, createHmac } from 'node:crypto'
import type { SignType } from '../../../src/pay/v2/sign.ts'
import type { Account } from '../state/state.ts'
import { explain } from './explanation.ts'
import type { Explanation, Mutation } from './explanation.ts'

interface Recipe {
  pairs: Array<[name: string, value: string]>
  /** Only its name is shown, not its value. */
  key: { name: string, value: string } | undefined
  /** The HMAC's key if it is not `key`. */
  hmacKey?: string
  signType: SignType
  upper: boolean
}

export interface RefusedV2 {
  about: 'v2' | 'paySign'
  /** As received, including `sign`, in the original order. */
  fields: Record<string, string>
  signType: SignType
  account: Account
  /** The signing key, if it is not the account's. */
  apiKey: string
}

export function explainV2 ({ about, fields, signType, account, apiKey }: RefusedV2): Explanation {
  const { sign: signature = '', ...rest } = fields
  const sent = Object.entries(rest)
  return explain<Recipe>({
    about,
    algorithm: `${signType}, upper-case hex`,
    right: { pairs: sorted(sent.filter(([, value]) => value !== '')), key: { name: 'API key', value: apiKey }, signType, upper: true },
    mutations: [...KEYS(account), ...ALGORITHMS, ...textMutations(sent), ...NAMES, ...sent.map(([name]) => leftOut(name))],
    signature,
    show: recipe => joined(recipe, recipe.key && `<${recipe.key.name}>`),
    makes: recipe => signed(recipe) === signature
  })
}

function joined ({ pairs }: Recipe, key: string | undefined): string {
  const text = pairs.map(([name, value]) => `${name}=${value}`).join('&')
  return key === undefined ? text : `${text}&key=${key}`
}

function signed (recipe: Recipe): string {
  const text = joined(recipe, recipe.key?.value)
  const hash = recipe.signType === 'MD5' ? createHash('md5') : createHmac('sha256', recipe.hmacKey ?? recipe.key?.value ?? '')
  const hex = hash.update(text).digest('hex')
  return recipe.upper ? hex.toUpperCase() : hex
}

const byBytes = ([one]: [string, string], [other]: [string, string]) => one < other ? -1 : one > other ? 1 : 0
const sorted = (pairs: Recipe['pairs']) => [...pairs].sort(byBytes)

const KEYS = ({ apiV3Key, appSecret }: Account): Array<Mutation<Recipe>> => [
  { id: 'api-v3-key', change: recipe => ({ ...recipe, key: { name: 'APIv3 key', value: apiV3Key } }) },
  { id: 'app-secret', change: recipe => ({ ...recipe, key: { name: 'AppSecret', value: appSecret } }) },
  { id: 'key-missing', change: recipe => ({ ...recipe, key: undefined, ...(recipe.key && { hmacKey: recipe.key.value }) }) },
  { id: 'key-upper-case', change: recipe => recipe.key && { ...recipe, key: { name: 'API KEY', value: recipe.key.value.toUpperCase() } } },
  { id: 'hmac-key', change: recipe => recipe.signType === 'HMAC-SHA256' ? { ...recipe, hmacKey: '' } : undefined }
]

const ALGORITHMS: Array<Mutation<Recipe>> = [
  { id: 'lower-case', change: recipe => ({ ...recipe, upper: false }) },
  { id: 'other-algorithm', change: recipe => ({ ...recipe, signType: recipe.signType === 'MD5' ? 'HMAC-SHA256' : 'MD5' }) }
]

/** Common mistakes in signing a page's parameters. */
const NAMES: Array<Mutation<Recipe>> = [
  { id: 'timestamp-case', change: recipe => renamed(recipe, { timeStamp: 'timestamp' }) },
  { id: 'names-lower-case', change: recipe => renamed(recipe, { appId: 'appid', nonceStr: 'noncestr', timeStamp: 'timestamp', signType: 'signtype' }) },
  { id: 'names-lower-case', change: recipe => renamed(recipe, { appId: 'appid', nonceStr: 'noncestr', timeStamp: 'timestamp' }) },
  { id: 'bare-prepay-id', change: recipe => mapValues(recipe, (name, value) => name === 'package' ? value.replace(/^prepay_id=/, '') : value) },
  { id: 'prefixed-prepay-id', change: recipe => mapValues(recipe, (name, value) => name === 'prepayid' ? `prepay_id=${value}` : value) }
]

function textMutations (sent: Recipe['pairs']): Array<Mutation<Recipe>> {
  const reordered = (pairs: Recipe['pairs']) => (recipe: Recipe) => {
    const names = pairs.map(([name]) => name)
    return { ...recipe, pairs: [...recipe.pairs].sort(([one], [other]) => names.indexOf(one) - names.indexOf(other)) }
  }
  const ignoringCase = [...sent].sort(([one], [other]) => one.toLowerCase() < other.toLowerCase() ? -1 : 1)
  return [
    { id: 'empty-included', change: recipe => sent.some(([, value]) => value === '') ? { ...recipe, pairs: sorted(sent) } : undefined },
    { id: 'sorted-ignoring-case', change: reordered(ignoringCase) },
    { id: 'unsorted', change: reordered(sent) },
    { id: 'url-encoded', change: recipe => mapValues(recipe, (_name, value) => encodeURIComponent(value)) },
    { id: 'xml-escaped', change: recipe => mapValues(recipe, (_name, value) => value.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')) },
    { id: 'trimmed', change: recipe => mapValues(recipe, (_name, value) => value.trim()) },
    ...['MD5', 'HMAC-SHA256'].map((other): Mutation<Recipe> => ({
      id: 'sign-type-changed',
      change: recipe => mapValues(recipe, (name, value) => /^sign_?type$/i.test(name) ? other : value)
    }))
  ]
}

const leftOut = (name: string): Mutation<Recipe> => ({
  id: `left-out:${name}`,
  change: recipe => recipe.pairs.some(pair => pair[0] === name) ? { ...recipe, pairs: recipe.pairs.filter(pair => pair[0] !== name) } : undefined
})

/** Renames parameters and sorts them again. */
function renamed (recipe: Recipe, names: Record<string, string>): Recipe | undefined {
  return recipe.pairs.some(([name]) => names[name]) ? { ...recipe, pairs: sorted(recipe.pairs.map(([name, value]) => [names[name] ?? name, value])) } : undefined
}

function mapValues (recipe: Recipe, change: (name: string, value: string) => string): Recipe | undefined {
  const pairs = recipe.pairs.map(([name, value]): [string, string] => [name, change(name, value)])
  return pairs.some(([, value], at) => value !== recipe.pairs[at]?.[1]) ? { ...recipe, pairs } : undefined
}
