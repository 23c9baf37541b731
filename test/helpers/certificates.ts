/** Certificates created by openssl, independent of the emulator's. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { need } from './needs.ts'

export const { path, skip } = need('openssl')

const openssl = (args: string[], input?: string) => execFileSync(path, args, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'ignore'], ...(input !== undefined && { input }) })

/** A key and its self-signed certificate, PEM. `ec`: handshakes take a tenth of the time. */
export function selfSigned (commonName: string, days = '1', kind: 'rsa' | 'ec' = 'rsa'): { key: string, cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'cert-'))
  const newKey = kind === 'rsa' ? ['rsa:2048'] : ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  try {
    openssl(['req', '-x509', '-newkey', ...newKey, '-nodes', '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem'), '-days', days, '-subj', `/CN=${commonName}`])
    return { key: readFileSync(join(folder, 'key.pem'), 'utf8'), cert: readFileSync(join(folder, 'cert.pem'), 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A PKCS#12 file as WeChat issues it; `legacy`: with the old algorithms. */
export function pkcs12 ({ key, cert }: { key: string, cert: string }, passphrase: string, legacy = false): Buffer {
  return openssl(['pkcs12', '-export', ...(legacy ? ['-legacy'] : []), '-passout', `pass:${passphrase}`], key + cert)
}

export function encryptedKey (key: string, passphrase: string): string {
  return openssl(['rsa', '-aes256', '-passout', `pass:${passphrase}`], key).toString()
}
