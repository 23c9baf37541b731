/**
 * X.509 certificates (RFC 5280) for the emulator's CA, its TLS, and its merchants.
 * Not a library: the alternatives would add some twenty packages to a dependency tree that users audit. See CONTRIBUTING.md.
 */
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { bitString, der, integer, NULL, octets, oid, sequence, TRUE } from './der.ts'

export interface Issuer {
  name: CertificateName
  key: KeyObject
}

export interface CertificateName {
  commonName: string
  organization?: string
}

export interface CertificateRequest {
  subject: CertificateName
  /** The subject's key, public or private. */
  publicKey: KeyObject
  issuer: Issuer
  /** Host names and IP addresses (subjectAltName). */
  hosts?: readonly string[]
  /** A CA certificate. */
  authority?: boolean
  notBefore: Date
  notAfter: Date
}

/** PEM. */
export function issueCertificate ({ subject, publicKey, issuer, hosts = [], authority = false, notBefore, notAfter }: CertificateRequest): string {
  const algorithm = sequence(issuer.key.asymmetricKeyType === 'rsa' ? [oid(OID.sha256WithRsa), NULL] : [oid(OID.ecdsaWithSha256)])
  const extensions = [
    ...(authority ? [extension(OID.basicConstraints, sequence([TRUE]), true), extension(OID.keyUsage, SIGNS_CERTIFICATES, true)] : []),
    ...(hosts.length > 0 ? [extension(OID.subjectAltName, sequence(hosts.map(generalName)))] : []),
    extension(OID.subjectKeyIdentifier, octets(keyIdentifier(publicKey))),
    extension(OID.authorityKeyIdentifier, sequence([der(0x80, [keyIdentifier(issuer.key)])]))
  ]
  const content = sequence([
    der(0xa0, [integer(Buffer.from([2]))]),
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    algorithm,
    name(issuer.name),
    sequence([time(notBefore), time(notAfter)]),
    name(subject),
    publicBytes(publicKey),
    der(0xa3, [sequence(extensions)])
  ])
  const certificate = sequence([content, algorithm, bitString(sign('sha256', content, issuer.key))])
  return `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`
}

export const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

function publicBytes (key: KeyObject): Buffer {
  // createPublicKey accepts a private KeyObject, but not a public one.
  return (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' })
}

const keyIdentifier = (key: KeyObject) => createHash('sha1').update(publicBytes(key)).digest()

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  subjectAltName: '2.5.29.17',
  sha256WithRsa: '1.2.840.113549.1.1.11',
  ecdsaWithSha256: '1.2.840.10045.4.3.2'
} as const

/** keyCertSign and cRLSign. */
const SIGNS_CERTIFICATES = der(0x03, [Buffer.from([1, 0x06])])

function name ({ commonName, organization }: CertificateName): Buffer {
  const part = (id: string, value: string) => der(0x31, [sequence([oid(id), der(0x0c, [Buffer.from(value)])])])
  return sequence([part(OID.commonName, commonName), ...(organization ? [part(OID.organization, organization)] : [])])
}

/** UTCTime, valid until 2049. */
const time = (date: Date) => der(0x17, [Buffer.from(`${date.toISOString().replace(/\D/g, '').slice(2, 14)}Z`)])

const extension = (id: string, value: Buffer, critical = false) => sequence([oid(id), ...(critical ? [TRUE] : []), octets(value)])

function generalName (host: string): Buffer {
  // Already validated. Not isIP: compiling its IPv6 expression takes a tenth of the emulator's startup.
  if (host.includes(':')) return der(0x87, [ipv6Bytes(host)])
  return /^\d+(?:\.\d+){3}$/.test(host) ? der(0x87, [Buffer.from(host.split('.').map(Number))]) : der(0x82, [Buffer.from(host)])
}

function ipv6Bytes (address: string): Buffer {
  // The URL parser normalizes IPv6: hexadecimal groups, and :: at most once.
  const [left = '', right] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groups = (text: string | undefined) => text ? text.split(':') : []
  const [before, after] = [groups(left), groups(right)]
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
  return Buffer.from(all.map(group => group.padStart(4, '0')).join(''), 'hex')
}
