/** Key files for SDKs in any language, with WeChat's file names. */
import type { Pki } from './pki.ts'
import { keyStore } from './pkcs12.ts'
import { pem } from './v3-keys.ts'

/** Contents by file name. `withCertificates`: include the newest platform certificate. */
export function keyFiles ({ ca, merchant, v3 }: Pki, mchId: string, withCertificates: boolean): Record<string, string | Buffer> {
  return {
    'ca.pem': ca,
    'apiclient_cert.pem': merchant.cert,
    'apiclient_key.pem': merchant.key,
    // As at WeChat, the password is the mchId.
    'apiclient_cert.p12': keyStore(merchant, mchId),
    'pub_key.pem': pem(v3.wechat.publicKey),
    ...(withCertificates && { 'platform_cert.pem': v3.platform().at(-1)?.cert ?? '' })
  }
}
