/** Certificates created by openssl, independent of the emulator's. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { need } from './needs.ts'

export const { path, skip } = need('openssl')

const openssl = (args: string[], input?: string) => execFileSync(path, args, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'ignore'], ...(input !== undefined && { input }) })

/** A key and its self-signed certificate, PEM. */
export function selfSigned (commonName: string, days = '1'): { key: string, cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'cert-'))
  openssl(['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem'), '-days', days, '-subj', `/CN=${commonName}`])
  return { key: readFileSync(join(folder, 'key.pem'), 'utf8'), cert: readFileSync(join(folder, 'cert.pem'), 'utf8') }
}

/** A PKCS#12 file as WeChat issues it; `legacy`: with the old algorithms. */
export function pkcs12 ({ key, cert }: { key: string, cert: string }, passphrase: string, legacy = false): Buffer {
  return openssl(['pkcs12', '-export', ...(legacy ? ['-legacy'] : []), '-passout', `pass:${passphrase}`], key + cert)
}

export function encryptedKey (key: string, passphrase: string): string {
  return openssl(['rsa', '-aes256', '-passout', `pass:${passphrase}`], key).toString()
}
