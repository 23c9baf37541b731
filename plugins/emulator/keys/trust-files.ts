/** Trust stores for clients in other languages: the usual CAs plus the emulator's. */
import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { trustStore } from './pkcs12.ts'

/** Java requires one, although the store contains no secrets. */
export const TRUST_STORE_PASSWORD = 'changeit'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** `ca-bundle.pem` and `truststore.p12`. `usual`: a PEM file with the usual CAs. Default: Node's. */
export function trustFiles (ca: string, usual?: string): Record<string, string | Buffer> {
  const certificates = [...(usual === undefined ? rootCertificates : readFileSync(usual, 'utf8').match(CERTIFICATE) ?? []), ca]
  return {
    'ca-bundle.pem': `${certificates.map(certificate => certificate.trim()).join('\n')}\n`,
    'truststore.p12': trustStore(certificates, TRUST_STORE_PASSWORD)
  }
}
