/**
 * PKCS#12 (RFC 7292) like WeChat's `apiclient_cert.p12`, for SDKs that need it, with its old algorithms
 * (SHA-1, triple DES), because Go's x/crypto/pkcs12 and old Java versions read no others; and trust stores for Java.
 */
import { createCipheriv, createHash, createHmac, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { der, integer, NULL, octets, oid, sequence, set } from './der.ts'

const OID = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  sha1: '1.3.14.3.2.26',
  pbeSha1TripleDes: '1.2.840.113549.1.12.1.3',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  /** Java's: it does not trust certificates without this attribute. */
  trustedKeyUsage: '2.16.840.1.113894.746875.1.1',
  anyExtendedKeyUsage: '2.5.29.37.0'
} as const

const ROUNDS = 2048

/** A merchant's certificate and key (PEM). WeChat uses the mchId as the password. */
export function keyStore ({ cert, key }: { cert: string, key: string }, password: string): Buffer {
  const certificate = new X509Certificate(cert).raw
  const both = [attribute(OID.localKeyId, octets(createHash('sha1').update(certificate).digest()))]
  const certificates = sequence([certBag(certificate, both)])
  const secret = encrypt(createPrivateKey(key).export({ type: 'pkcs8', format: 'der' }), password)
  const keys = sequence([bag(OID.shroudedKeyBag, sequence([secret.algorithm, octets(secret.bytes)]), both)])
  const wrapped = encrypt(certificates, password)
  // Go's reader requires exactly two parts, one of them encrypted, with one certificate and one key.
  const encrypted = sequence([number(0), sequence([oid(OID.data), wrapped.algorithm, der(0x80, [wrapped.bytes])])])
  return store([sequence([oid(OID.encryptedData), explicit(encrypted)]), plain(keys)], password)
}

/** A Java trust store. Certificates are public, so it is not encrypted; Java only checks the password's MAC. */
export function trustStore (certificates: readonly string[], password: string): Buffer {
  const bags = certificates.map((cert, at) => certBag(new X509Certificate(cert).raw, [
    attribute(OID.friendlyName, der(0x1e, [bmp(`ca${at}`)])),
    attribute(OID.trustedKeyUsage, oid(OID.anyExtendedKeyUsage))
  ]))
  return store([plain(sequence(bags))], password)
}

function store (parts: Buffer[], password: string): Buffer {
  const content = sequence(parts)
  const salt = randomBytes(8)
  const mac = createHmac('sha1', derive(password, salt, 3, 20)).update(content).digest()
  return sequence([
    number(3),
    plain(content),
    sequence([sequence([sequence([oid(OID.sha1), NULL]), octets(mac)]), octets(salt), number(ROUNDS)])
  ])
}

function encrypt (bytes: Buffer, password: string): { algorithm: Buffer, bytes: Buffer } {
  const salt = randomBytes(8)
  const cipher = createCipheriv('des-ede3-cbc', derive(password, salt, 1, 24), derive(password, salt, 2, 8))
  return {
    algorithm: sequence([oid(OID.pbeSha1TripleDes), sequence([octets(salt), number(ROUNDS)])]),
    bytes: Buffer.concat([cipher.update(bytes), cipher.final()])
  }
}

/** RFC 7292, appendix B.2, with SHA-1. `purpose`: 1 key, 2 IV, 3 MAC key. */
function derive (password: string, salt: Buffer, purpose: 1 | 2 | 3, length: number): Buffer {
  const BLOCK = 64
  const filled = (bytes: Buffer) => Buffer.alloc(Math.ceil(bytes.length / BLOCK) * BLOCK, bytes)
  const blocks = Buffer.concat([filled(salt), filled(Buffer.concat([bmp(password), Buffer.from([0, 0])]))])
  const made: Buffer[] = []
  for (let size = 0; size < length; size += 20) {
    let hash = Buffer.concat([Buffer.alloc(BLOCK, purpose), blocks])
    for (let round = 0; round < ROUNDS; round++) hash = createHash('sha1').update(hash).digest()
    made.push(hash)
    // Add hash + 1 to each input block, as big-endian integers.
    const added = BigInt(`0x${Buffer.alloc(BLOCK, hash).toString('hex')}`) + 1n
    for (let at = 0; at < blocks.length; at += BLOCK) {
      const sum = (BigInt(`0x${blocks.subarray(at, at + BLOCK).toString('hex')}`) + added).toString(16).padStart(BLOCK * 2, '0').slice(-BLOCK * 2)
      blocks.write(sum, at, 'hex')
    }
  }
  return Buffer.concat(made).subarray(0, length)
}

/** Big-endian UTF-16. */
const bmp = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16()

const explicit = (content: Buffer) => der(0xa0, [content])
const plain = (content: Buffer) => sequence([oid(OID.data), explicit(octets(content))])
const number = (value: number) => integer(value < 0x80 ? Buffer.from([value]) : Buffer.from([value >> 8, value & 0xff]))
const attribute = (id: string, value: Buffer) => sequence([oid(id), set([value])])
const bag = (id: string, value: Buffer, attributes: Buffer[]) => sequence([oid(id), explicit(value), set(attributes)])
const certBag = (certificate: Buffer, attributes: Buffer[]) =>
  bag(OID.certBag, sequence([oid(OID.x509Certificate), explicit(octets(certificate))]), attributes)
