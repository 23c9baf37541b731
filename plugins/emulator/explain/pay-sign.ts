/** Explains a refused paySign of a page (WeixinJSBridge) or an app (PayReq). */
import type { KeyObject } from 'node:crypto'
import type { Account, Order } from '../state/state.ts'
import { explain } from './explanation.ts'
import type { Explanation } from './explanation.ts'
import { mistake } from './mistakes.ts'
import type { MistakeId } from './mistakes.ts'
import { joined, line, lineEnds, openSignature, rightLines, sha256 } from './rsa.ts'
import type { Lines } from './rsa.ts'
import { explainV2 } from './v2.ts'

export interface RefusedPaySign {
  /** As the page sent them. */
  params: Record<string, unknown>
  order: Order
  account: Account
  merchantKey: KeyObject
  /** From an app, which signs the bare prepay_id. */
  isApp?: boolean
}

export function explainPaySign ({ params, order, account, merchantKey, isApp = false }: RefusedPaySign): Explanation {
  const text = (name: string) => params[name] === undefined ? '' : String(params[name])
  const claims = claimProblems(params, order, isApp)
  const explanation = order.sign_type === 'RSA'
    ? explainRsa(isApp ? [text('appid'), text('timestamp'), text('noncestr'), text('prepayid')] : [text('appId'), text('timeStamp'), text('nonceStr'), text('package')], text(isApp ? 'sign' : 'paySign'), merchantKey)
    : explainV2({
      about: 'paySign',
      fields: isApp
        ? { appid: text('appid'), partnerid: text('partnerid'), prepayid: text('prepayid'), package: text('package'), noncestr: text('noncestr'), timestamp: text('timestamp'), sign: text('sign') }
        : { appId: text('appId'), timeStamp: text('timeStamp'), nonceStr: text('nonceStr'), package: text('package'), signType: text('signType'), sign: text('paySign') },
      signType: order.sign_type,
      account,
      apiKey: account.apiKey
    })
  // A wrong parameter is sufficient as an explanation: the signature itself may be right.
  return claims.length === 0 ? explanation : { ...explanation, mistakes: [...claims.map(mistake), ...explanation.mistakes.filter(({ id }) => id !== 'unknown' && id !== 'other-text')] }
}

function claimProblems (params: Record<string, unknown>, order: Order, isApp: boolean): MistakeId[] {
  const appId = order.sub_appid || order.appid
  return [
    ...(params[isApp ? 'appid' : 'appId'] === appId ? [] : ['another-app-id' as const]),
    ...(isApp || params.signType === order.sign_type ? [] : ['sign-type-other' as const]),
    ...(isApp || typeof params.timeStamp === 'string' ? [] : ['timestamp-number' as const])
  ]
}

function explainRsa (lines: string[], signature: string, merchantKey: KeyObject): Explanation {
  const { digest, otherwise } = openSignature(Buffer.from(signature, 'base64'), merchantKey)
  return explain<Lines>({
    about: 'paySign',
    algorithm: 'RSA with SHA-256 (PKCS#1 v1.5), Base64',
    right: rightLines(lines),
    mutations: [
      line(3, 'bare-prepay-id', value => value.replace(/^prepay_id=/, '')),
      line(3, 'prefixed-prepay-id', value => value.startsWith('prepay_id=') ? value : `prepay_id=${value}`),
      ...lineEnds()
    ],
    signature,
    show: joined,
    makes: recipe => sha256(joined(recipe)) === digest,
    otherwise: /^[0-9A-F]{32}$|^[0-9A-F]{64}$/i.test(signature) ? 'signed-as-v2' : otherwise
  })
}
