/** The RSA keys of APIv3: the merchant's, WeChat's public key, and its platform certificates. Made once for each process, since they take a tenth of a second each. */
import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { issueCertificate } from '../x509.ts'

export interface PlatformCertificate {
  serial: string
  key: KeyObject
  /** PEM. */
  cert: string
  effective: Date
  expires: Date
}

export interface V3Keys {
  /** The merchant's: signs requests, and opens what is encrypted for the merchant. */
  merchant: { key: KeyObject, cert: string, serial: string }
  /** WeChat Pay's public key, the way of new merchants. */
  wechat: { id: string, key: KeyObject, publicKey: KeyObject }
  /** The newest last. */
  platform (): PlatformCertificate[]
  /** A new platform certificate, which signs from now on; the old ones stay on the list. */
  rotate (): PlatformCertificate
}

/** Private or public, as merchants keep it in their configuration. */
export const pem = (key: KeyObject): string => key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }) as string

const DAY = 86_400_000

const newRsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 })
/** `role`: a key of its own for each. */
const made = new Map<string, ReturnType<typeof newRsa>>()
function rsa (role: string) {
  const pair = made.get(role) ?? newRsa()
  made.set(role, pair)
  return pair
}

export function createV3Keys (mchId: string): V3Keys {
  const notBefore = new Date(Date.now() - DAY)
  const notAfter = new Date(Date.now() + 365 * DAY)
  const certify = (commonName: string, organization: string, { publicKey, privateKey }: ReturnType<typeof newRsa>, until = notAfter) => {
    const issuer = { name: { commonName: `${organization} CA` }, key: privateKey }
    return issueCertificate({ subject: { commonName, organization }, publicKey, issuer, notBefore, notAfter: until })
  }
  const own = rsa('merchant')
  const wechat = rsa('wechat')
  const cert = certify(mchId, 'WeChat emulator merchant', own)
  const certificates: PlatformCertificate[] = []

  function rotate (): PlatformCertificate {
    const pair = rsa(`platform ${certificates.length}`)
    // Each lives a day longer than the one before.
    const expires = new Date(notAfter.getTime() + certificates.length * DAY)
    const cert = certify('Tenpay.com sign', 'WeChat emulator platform', pair, expires)
    const made = { serial: new X509Certificate(cert).serialNumber, key: pair.privateKey, cert, effective: notBefore, expires }
    certificates.push(made)
    return made
  }

  return {
    merchant: { key: own.privateKey, cert, serial: new X509Certificate(cert).serialNumber },
    wechat: { id: `PUB_KEY_ID_0${randomBytes(16).toString('hex').toUpperCase()}`, key: wechat.privateKey, publicKey: wechat.publicKey },
    platform () {
      if (certificates.length === 0) rotate()
      return certificates
    },
    rotate
  }
}
