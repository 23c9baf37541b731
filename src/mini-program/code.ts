/** Mini program code images. WeChat's documentation of getUnlimitedQRCode and getQRCode. */
import { WechatInputError, WechatReplyError } from '../errors.ts'
import type { WechatToken } from '../official-account/access-token.ts'

interface CodeLook {
  /** The version to open: published, trial, or under development. Default `release`. */
  version?: 'release' | 'trial' | 'develop'
  /** Width in pixels, 280 to 1280. Default 430. */
  width?: number
  /** The colour of the lines, 0 to 255 each. Default: black. */
  color?: { r: number, g: number, b: number }
  /** Transparent background. */
  transparent?: boolean
}

/** An unlimited number of codes; the page gets `scene` in its options. */
export interface SceneCode extends CodeLook {
  /** 1 to 32 of `0-9 A-Z a-z !#$&'()*+,/:;=?@-._~`. */
  scene: string
  /** Without a leading `/` and without a query. Default: the main page. */
  page?: string
  /** False: the page does not have to be published. Default true. */
  checkPath?: boolean
}

/** At most 100,000 codes in total, forever. */
export interface PathCode extends CodeLook {
  /** A page with its query, without a leading `/`: 1 to 1024 characters. */
  path: string
}

export type CodeRequest = SceneCode | PathCode

export interface CodePicture {
  picture: Buffer
  contentType: 'image/jpeg' | 'image/png'
}

const SCENE = /^[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}$/
const PAGE = /^[^/?#\s][^?#\s]{0,1023}$/

/** @throws WechatInputError; WechatApiError 40129, 41030, 45029 and others; WechatReplyError */
export async function miniProgramCode (token: Pick<WechatToken, 'download'>, wanted: CodeRequest): Promise<CodePicture> {
  if (typeof wanted !== 'object' || wanted === null) throw new WechatInputError('code', 'takes an object: { scene, page } or { path }')
  const [path, what] = 'scene' in wanted ? ['/wxa/getwxacodeunlimit', ofScene(wanted)] : ['/wxa/getwxacode', ofPath(wanted)]
  const picture = await token.download(path, { json: { ...what, ...style(wanted) } })
  const contentType = typeOf(picture)
  if (contentType === undefined) throw new WechatReplyError(path, 'the answer is not an image')
  return { picture, contentType }
}

function ofScene ({ scene, page, checkPath }: SceneCode): object {
  if (typeof scene !== 'string' || !SCENE.test(scene)) throw new WechatInputError('scene', 'must be 1 to 32 of 0-9 A-Z a-z !#$&\'()*+,/:;=?@-._~')
  if (page !== undefined && !PAGE.test(page)) throw new WechatInputError('page', 'must be a page\'s path without leading / and without a query')
  return { scene, ...(page !== undefined && { page }), ...(checkPath !== undefined && { check_path: checkPath }) }
}

function ofPath ({ path }: PathCode): object {
  if (typeof path !== 'string' || !/^[^/\s]\S{0,1023}$/.test(path)) throw new WechatInputError('path', 'must be a page\'s path without leading /, 1 to 1024 characters')
  return { path }
}

function style ({ version, width, color, transparent }: CodeLook): object {
  if (version !== undefined && !['release', 'trial', 'develop'].includes(version)) throw new WechatInputError('version', 'must be release, trial or develop')
  if (width !== undefined && !(Number.isInteger(width) && width >= 280 && width <= 1280)) throw new WechatInputError('width', 'must be a whole number of pixels from 280 to 1280')
  if (color !== undefined && ![color.r, color.g, color.b].every(part => Number.isInteger(part) && part >= 0 && part <= 255)) throw new WechatInputError('color', 'must be { r, g, b }, each from 0 to 255')
  return { ...(version && { env_version: version }), ...(width !== undefined && { width }), ...(color && { line_color: color }), ...(transparent !== undefined && { is_hyaline: transparent }) }
}

/** Detected from the first bytes, because the Content-Type header is not reliable. */
function typeOf (picture: Buffer): CodePicture['contentType'] | undefined {
  if (picture.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return 'image/jpeg'
  return picture.subarray(0, 8).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) ? 'image/png' : undefined
}
