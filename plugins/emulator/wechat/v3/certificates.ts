/** /v3/certificates: platform certificates, for merchants that use them. */
import type { State } from '../../state/state.ts'
import { chinaTime, rfc3339 } from '../../state/state.ts'
import type { V3Register } from './check-request.ts'
import type { V3Keys } from '../../keys/v3-keys.ts'
import { encryptResource, refuse } from './wire.ts'

export function v3Certificates (route: V3Register, state: State, keys: V3Keys): void {
  route('GET', '/v3/certificates', () => {
    if (state.keyMode === 'public-key' || (state.keyMode === 'both' && state.keySwitch.stage === 'done')) return refuse(404, 'RESOURCE_NOT_EXISTS', '无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥。可查看指引https://pay.weixin.qq.com/docs/merchant/products/platform-certificate/wxp-pub-key-guide.html', 268435461)
    return {
      data: keys.platform().map(({ serial, cert, effective, expires }) => ({
        serial_no: serial,
        effective_time: rfc3339(chinaTime(effective.getTime())),
        expire_time: rfc3339(chinaTime(expires.getTime())),
        encrypt_certificate: encryptResource(cert, state.account.apiV3Key, 'certificate', state.random)
      }))
    }
  })
}
