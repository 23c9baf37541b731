/** Trust files for clients in other languages: the usual authorities plus the emulator's. */
import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { trustStore } from './pkcs12.ts'

/** Java wants one, although nothing in the store is secret. */
export const TRUST_STORE_PASSWORD = 'changeit'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** `ca-bundle.pem` and `truststore.p12`. `usual`: a file of PEM certificates; by default those that come with Node. */
export function trustFiles (ca: string, usual?: string): Record<string, string | Buffer> {
  const certificates = [...(usual === undefined ? rootCertificates : readFileSync(usual, 'utf8').match(CERTIFICATE) ?? []), ca]
  return {
    'ca-bundle.pem': `${certificates.map(certificate => certificate.trim()).join('\n')}\n`,
    'truststore.p12': trustStore(certificates, TRUST_STORE_PASSWORD)
  }
}
