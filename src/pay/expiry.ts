/** What runs out, and when: certificates, told long before payments stop. */
import type { PlatformKeys } from './v3/platform-keys.ts'

export interface CertificateStatus {
  /** Whose: the merchant's own (`merchant.v2`, `merchant.v3`: to be renewed by you), or WeChat Pay's (`platform`: renewed by itself). */
  of: 'merchant.v2' | 'merchant.v3' | 'platform'
  /** Upper-case hex. */
  serialNo: string
  validTo: Date
}

export const platformCertificates = (keys: Pick<PlatformKeys, 'held'>): CertificateStatus[] =>
  [...keys.held()].map(({ serialNumber, validTo }) => ({ of: 'platform', serialNo: serialNumber, validTo: new Date(validTo) }))

/** Milliseconds: a month is enough to have a new one issued. */
const NOTICE = 30 * 86_400_000

/** Those of the merchant's own that end within 30 days, or have ended. WeChat's are replaced without anybody's doing. */
export const expiring = (certificates: readonly CertificateStatus[], now: number): CertificateStatus[] =>
  certificates.filter(({ of, validTo }) => of !== 'platform' && validTo.getTime() - now < NOTICE)
