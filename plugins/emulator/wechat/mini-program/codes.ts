/** Mini program codes: an image, or an error in JSON. */
import type { AccountCall } from '../official-account-calls.ts'
import type { State } from '../../state/state.ts'
import { refuse } from '../wire.ts'
import { codePicture } from './picture.ts'

const SCENE = /^[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}$/

const text = (value: unknown) => typeof value === 'string' ? value : ''

export function pictures (call: AccountCall, state: State): void {
  const picture = (what: string, width: unknown) => codePicture(`${state.account.appId}/${what}`, Number(width ?? 430))

  call('POST', '/wxa/getwxacodeunlimit', ({ scene, page, width }) => {
    if (!SCENE.test(text(scene))) return refuse(40129, 'invalid scene')
    // Seen in public reports: a page with a leading slash or a query is invalid.
    if (/^\/|[?#]/.test(text(page))) return refuse(41030, 'invalid page')
    return picture(`${text(page)}/${text(scene)}`, width)
  })

  for (const path of ['/wxa/getwxacode', '/cgi-bin/wxaapp/createwxaqrcode']) {
    // 40159: WeChat's documentation of getQRCode.
    call('POST', path, given => text(given.path) === '' || text(given.path).length > 1024 ? refuse(40159, 'invalid length for path, or the data is not json string') : picture(text(given.path), given.width))
  }
}
