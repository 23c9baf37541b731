/**
 * Option types as data, checked before anything starts. A misspelt name or a wrong type is an
 * error that names the option, suggests the correct name, and never shows the value.
 */
import { WechatConfigError } from './errors.ts'

/** Refuses a wrong value. `option`: its name in the error. @throws WechatConfigError */
export interface Shape {
  (value: unknown, option: string): void
  /** For an object: the shapes of its own options. */
  members?: Shapes
}

export type Shapes = Record<string, Shape>

/** One shape for each option of `T`: a missing one does not compile. */
export type ShapesOf<T> = { [Name in keyof T]-?: Shape } & Shapes

export const shape = (fits: (value: unknown) => boolean, problem: string): Shape => (value, option) => {
  if (!fits(value)) throw new WechatConfigError(option, problem)
}

/** For options that are checked where they are used. */
export const anything: Shape = () => {}
export const handler = shape(value => typeof value === 'function', 'must be a function')
export const flag = shape(value => typeof value === 'boolean', 'must be true or false')
export const text = shape(value => typeof value === 'string' && value !== '', 'must be a non-empty string')
/** The content of a file, as text or bytes. */
export const content = shape(value => typeof value === 'string' || value instanceof Uint8Array, 'must be a string or a Buffer')

export const oneOf = (...words: string[]): Shape => shape(value => words.includes(value as string), `must be ${words.map(word => `'${word}'`).join(' or ')}`)

/** `what`: with its unit, such as "a number of seconds". NaN is never accepted. */
export const number = (what: string, least: number, most: number): Shape =>
  shape(value => typeof value === 'number' && value >= least && value <= most, `must be ${what} from ${least} to ${most}`)

export const integer = (what: string, least: number, most: number): Shape =>
  shape(value => Number.isInteger(value) && (value as number) >= least && (value as number) <= most, `must be ${what} from ${least} to ${most}`)

export const above0 = (what: string, most: number): Shape =>
  shape(value => typeof value === 'number' && value > 0 && value <= most, `must be ${what} above 0, at most ${most}`)

export const list = (item: Shape): Shape => (value, option) => {
  if (!Array.isArray(value)) throw new WechatConfigError(option, 'must be a list (an array)')
  for (const [at, member] of value.entries()) item(member, `${option}[${at}]`)
}

/** Accepts a value that any of the shapes accepts; otherwise the error is `problem`. */
export const either = (problem: string, ...shapes: Shape[]): Shape => shape(value => shapes.some(one => {
  try {
    one(value, '')
    return true
  } catch {
    return false
  }
}), problem)

export const object = (members: Shapes): Shape => Object.assign((value: unknown, option: string) => {
  if (!isObject(value)) throw new WechatConfigError(option, 'must be an object')
  checkOptions(value, members, `${option}.`)
}, { members })

/** An object whose members are not ours to check. */
export const anyObject = shape(value => isObject(value), 'must be an object')

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * An undefined value counts as left out.
 * @param known accepted names; those without a shape in `shapes` are checked elsewhere. Default: those of `shapes`
 * @throws WechatConfigError
 */
export function checkOptions (options: object, shapes: Shapes, within = '', known: Shapes = shapes): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue
    const meant = nearest(name, known)
    throw new WechatConfigError(printable(within + name), `is unknown${meant === undefined ? '' : `: did you mean ${within}${meant}?`}`)
  }
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && Object.hasOwn(shapes, name)) (shapes[name] as Shape)(value, within + name)
  }
}

const printable = (name: string): string => name.replace(/[^\x20-\x7e]/g, '?').slice(0, 80)

/** The option that was probably meant, with its full path; undefined if none is similar. */
function nearest (name: string, shapes: Shapes): string | undefined {
  const given = bare(name)
  let best: { path: string, off: number } | undefined
  for (const [path, last] of pathsOf(shapes)) {
    const off = distance(given, bare(last))
    if (off <= Math.floor(given.length / 4) + 1 && off < given.length && off < (best?.off ?? Infinity)) best = { path, off }
  }
  return best?.path
}

/** Makes app_id, appid and APP-ID all similar to appId. */
const bare = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '').slice(0, 40)

/** Outer objects first: of two equally similar names, the outer one wins. */
function pathsOf (shapes: Shapes, within = ''): Array<[path: string, last: string]> {
  const inner = Object.entries(shapes).flatMap(([name, { members }]) => members ? pathsOf(members, `${within}${name}.`) : [])
  return [...Object.keys(shapes).map((name): [string, string] => [within + name, name]), ...inner]
}

/** Edit distance: letters added, removed, changed, or swapped with their neighbour. */
function distance (one: string, other: string): number {
  const rows: number[][] = Array.from({ length: one.length + 1 }, (_row, i) => [i])
  const at = (i: number, j: number) => rows[i]?.[j] ?? (i === 0 ? j : Infinity)
  for (let i = 1; i <= one.length; i++) {
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1]
      const isSwapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      (rows[i] as number[])[j] = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1), isSwapped ? at(i - 2, j - 2) + 1 : Infinity)
    }
  }
  return at(one.length, other.length)
}
