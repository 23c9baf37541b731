/**
 * X.509 certificates for the emulator's own authority, its TLS and its merchants: RFC 5280, as much of it as they need.
 * Written here because the libraries that do it bring some twenty packages into a tree that payment people audit.
 */
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { isIP } from 'node:net'

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
  /** The holder's key, public or private. */
  publicKey: KeyObject
  issuer: Issuer
  /** Hosts and IP addresses it is good for. */
  hosts?: readonly string[]
  /** Whether it may issue others. */
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
  // Node makes a public key of a private one, but not of one that is public already.
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

function der (tag: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const size = body.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}

const sequence = (parts: readonly Buffer[]) => der(0x30, parts)
const integer = (bytes: Buffer) => der(0x02, [bytes])
const octets = (bytes: Buffer) => der(0x04, [bytes])
// The first byte counts unused bits: none.
const bitString = (bytes: Buffer) => der(0x03, [Buffer.from([0]), bytes])
const NULL = der(0x05, [])
const TRUE = der(0x01, [Buffer.from([0xff])])

/** keyCertSign and cRLSign. */
const SIGNS_CERTIFICATES = der(0x03, [Buffer.from([1, 0x06])])

function oid (dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest.flatMap(number => {
    const digits = [number & 0x7f]
    for (let left = number >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80)
    return digits
  })]
  return der(0x06, [Buffer.from(bytes)])
}

function name ({ commonName, organization }: CertificateName): Buffer {
  const part = (id: string, value: string) => der(0x31, [sequence([oid(id), der(0x0c, [Buffer.from(value)])])])
  return sequence([part(OID.commonName, commonName), ...(organization ? [part(OID.organization, organization)] : [])])
}

/** UTCTime, which serves until 2049. */
const time = (date: Date) => der(0x17, [Buffer.from(`${date.toISOString().replace(/\D/g, '').slice(2, 14)}Z`)])

const extension = (id: string, value: Buffer, critical = false) => sequence([oid(id), ...(critical ? [TRUE] : []), octets(value)])

function generalName (host: string): Buffer {
  const version = isIP(host)
  if (version === 0) return der(0x82, [Buffer.from(host)])
  // Only the loopback address is ever asked for in IPv6.
  return der(0x87, [version === 4 ? Buffer.from(host.split('.').map(Number)) : Buffer.from([...Array(15).fill(0), 1])])
}
