/** APIv3's RSA keys: the merchant's, WeChat's public key, and platform certificates. Generated once per process, because each takes about 50 ms. */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createRandom } from '../state/random.ts'
import type { Random } from '../state/random.ts'
import { makeRsa, makeRsaSync } from './rsa.ts'
import type { KeyPair } from './rsa.ts'
import { issueCertificate } from './x509.ts'
import type { Issuer } from './x509.ts'

export interface PlatformCertificate {
  serial: string
  key: KeyObject
  /** PEM. */
  cert: string
  effective: Date
  expires: Date
}

export interface V3Keys {
  /** The merchant's key: signs requests and decrypts sensitive fields. */
  readonly merchant: { key: KeyObject, publicKey: KeyObject, cert: string, serial: string }
  /** WeChat Pay's public key, used by new merchants. */
  readonly wechat: { id: string, key: KeyObject, publicKey: KeyObject }
  /** Newest last. */
  platform (): PlatformCertificate[]
  /** Adds a platform certificate, which signs from now on; the old ones stay in the list. */
  rotate (): PlatformCertificate
  saved (): SavedV3Keys
}

/** A private or public key in PEM. */
export const pem = (key: KeyObject): string => key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }) as string

const DAY = 86_400_000

/** One key per `role`. */
const made = new Map<string, KeyPair>()
function rsa (role: string): KeyPair {
  const pair = made.get(role) ?? makeRsaSync()
  made.set(role, pair)
  return pair
}

/** Generates the keys that every account needs, in parallel with the rest of the startup. */
export async function prepareKeys (): Promise<void> {
  await Promise.all(['merchant', 'wechat'].map(async role => {
    if (!made.has(role)) made.set(role, await makeRsa())
  }))
}

const pairOf = (key: string): KeyPair => ({ privateKey: createPrivateKey(key), publicKey: createPublicKey(key) })

/** Recreates the same keys. PEM. */
export interface SavedV3Keys {
  merchant: { key: string, cert: string }
  wechat: { id: string, key: string }
  platform: Array<{ key: string, cert: string }>
}

interface V3KeysOptions {
  /** The issuer of the merchant's certificate. Default: an unknown authority. */
  issuer?: Issuer
  random?: Pick<Random, 'hex'>
  saved?: SavedV3Keys
}

export function createV3Keys (mchId: string, { issuer, random = createRandom(), saved }: V3KeysOptions = {}): V3Keys {
  const notBefore = new Date(Date.now() - DAY)
  const notAfter = new Date(Date.now() + 365 * DAY)
  const certify = (commonName: string, organization: string, { publicKey, privateKey }: KeyPair, by: Issuer = { name: { commonName: `${organization} CA` }, key: privateKey }, until = notAfter) =>
    issueCertificate({ subject: { commonName, organization }, publicKey, issuer: by, notBefore, notAfter: until })
  const wechatId = saved?.wechat.id ?? `PUB_KEY_ID_0${random.hex(16).toUpperCase()}`
  // Resolved on first use: the thread pool may still be generating it while the emulator starts.
  const merchant = lazy(() => {
    const { privateKey: key, publicKey } = saved ? pairOf(saved.merchant.key) : rsa('merchant')
    const cert = saved?.merchant.cert ?? certify(mchId, 'WeChat emulator merchant', { privateKey: key, publicKey }, issuer)
    return { key, publicKey, cert, serial: new X509Certificate(cert).serialNumber }
  })
  const wechat = lazy(() => {
    const { privateKey: key, publicKey } = saved ? pairOf(saved.wechat.key) : rsa('wechat')
    return { id: wechatId, key, publicKey }
  })
  const certificates = (saved?.platform ?? []).map(({ key, cert }) => platformCertificate(pairOf(key), cert))

  function rotate (): PlatformCertificate {
    const pair = rsa(`platform ${certificates.length}`)
    // Each expires a day later than the one before.
    const expires = new Date(notAfter.getTime() + certificates.length * DAY)
    const made = platformCertificate(pair, certify('Tenpay.com sign', 'WeChat emulator platform', pair, undefined, expires))
    certificates.push(made)
    return made
  }

  return {
    get merchant () { return merchant() },
    get wechat () { return wechat() },
    platform () {
      if (certificates.length === 0) rotate()
      return certificates
    },
    rotate,
    saved: () => ({
      merchant: { key: pem(merchant().key), cert: merchant().cert },
      wechat: { id: wechatId, key: pem(wechat().key) },
      platform: certificates.map(({ key, cert }) => ({ key: pem(key), cert }))
    })
  }
}

function lazy<T> (make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

function platformCertificate ({ privateKey }: KeyPair, cert: string): PlatformCertificate {
  const { serialNumber, validFrom, validTo } = new X509Certificate(cert)
  return { serial: serialNumber, key: privateKey, cert, effective: new Date(validFrom), expires: new Date(validTo) }
}
