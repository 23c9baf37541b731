/** When certificates expire, reported long before payments stop. */
import type { PlatformKeys } from './v3/platform-keys.ts'

export interface CertificateStatus {
  /** Which one: the merchant's own (`merchant.v2`, `merchant.v3`: you renew them), or WeChat Pay's (`platform`: renewed automatically). */
  of: 'merchant.v2' | 'merchant.v3' | 'platform'
  /** Upper-case hex. */
  serialNo: string
  validTo: Date
}

export const platformCertificates = (keys: Pick<PlatformKeys, 'certificates'>): CertificateStatus[] =>
  [...keys.certificates()].map(({ serialNumber, validTo }) => ({ of: 'platform', serialNo: serialNumber, validTo: new Date(validTo) }))

/** Milliseconds: a month is enough time to get a new one. */
const NOTICE = 30 * 86_400_000

/** The merchant's own certificates that expire within 30 days or have expired. WeChat's are replaced automatically. */
export const expiring = (certificates: readonly CertificateStatus[], now: number): CertificateStatus[] =>
  certificates.filter(({ of, validTo }) => of !== 'platform' && validTo.getTime() - now < NOTICE)
