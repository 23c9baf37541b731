/**
 * The keys that WeChat signs with: its public key as configured, or platform certificates, which are fetched, shared by
 * all processes, and renewed twice a day. During a switch both kinds arrive side by side.
 */
import { randomUUID, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import { WechatConfigError, WechatReplyError } from '../../errors.ts'
import { accountKey } from '../../store/key.ts'
import type { Store } from '../../store/store.ts'
import type { CheckedV3 } from '../merchant.ts'
import { decryptResource } from './resource.ts'
import type { EncryptedResource } from './resource.ts'

/** Milliseconds: certificates are asked for again after this, */
const RENEW = 12 * 3600_000
/** and never twice within this, however many unknown serial numbers arrive. */
const GAP = 60_000
/** How long another process may take to fetch them. */
const LEASE = 10_000
const LOOKS = 100

const PATH = '/v3/certificates'
const PUBLIC_KEY_ID = /^PUB_KEY_ID_/

export interface PlatformKeys {
  /** The key of a serial number or public key id; undefined if WeChat has none such, or may not be asked again yet. */
  keyFor (serial: string): Promise<KeyObject | undefined>
  /** What to encrypt sensitive fields with, and say so in Wechatpay-Serial. @throws WechatConfigError if there is none */
  current (): Promise<{ serial: string, key: KeyObject }>
}

/** One certificate in the answer of /v3/certificates. */
interface Offered { serial_no: string, effective_time: string, expire_time: string, encrypt_certificate: EncryptedResource }

export interface PlatformKeyParts {
  merchant: CheckedV3
  store: Store
  clock: Pick<Clock, 'now'>
  /** GET /v3/certificates; `keyFor` verifies its answer with a key that may be in that very answer. */
  fetch (keysIn: (answer: unknown) => ReadonlyMap<string, X509Certificate>): Promise<unknown>
}

export function createPlatformKeys ({ merchant, store, clock, fetch }: PlatformKeyParts): PlatformKeys {
  const storeKey = accountKey(merchant.mchId, 'v3:certificates')
  let certificates = new Map<string, X509Certificate>()
  let renewAt = -Infinity
  let askedAt = -Infinity
  let asking: Promise<void> | undefined

  const isValid = (certificate: X509Certificate) => Date.now() < new Date(certificate.validTo).getTime() && Date.now() > new Date(certificate.validFrom).getTime() - 86_400_000

  /** Decrypted with the merchant's APIv3 key: nobody else can have written them. */
  function certificatesIn (answer: unknown): Map<string, X509Certificate> {
    const { data } = answer as { data?: Offered[] }
    const found = new Map<string, X509Certificate>()
    for (const { serial_no: serial, encrypt_certificate: encrypted } of Array.isArray(data) ? data : []) {
      try {
        const certificate = new X509Certificate(decryptResource(encrypted, merchant.apiV3Keys))
        if (certificate.serialNumber === serial.toUpperCase() && isValid(certificate)) found.set(serial.toUpperCase(), certificate)
      } catch { /* not encrypted for us */ }
    }
    if (found.size === 0) throw new WechatReplyError(PATH, 'the answer holds no usable certificate: is merchant.v3.apiV3Key right?')
    return found
  }

  function adopt (pems: readonly string[], ttl: number): void {
    certificates = new Map(pems.map(pem => new X509Certificate(pem)).filter(isValid).map(certificate => [certificate.serialNumber, certificate]))
    renewAt = clock.now() + ttl
  }

  /** By one process for all; who finds that the store is away asks by itself. */
  async function renew (knows: (pems: readonly string[]) => boolean): Promise<void> {
    const owner = randomUUID()
    for (let looks = 0; looks < LOOKS; looks++) {
      const turn = await store.take(storeKey, owner, LEASE).catch(() => undefined)
      if (turn?.state === 'taken') {
        await sleep(50 + 50 * Math.random())
        continue
      }
      if (turn?.state === 'done') {
        const pems = parsed(turn.value)
        // A list that was fetched a moment ago is not fetched again for a serial that it lacks: anybody can make one up.
        if (pems && (knows(pems) || turn.ttl > RENEW - GAP)) return adopt(pems, turn.ttl)
        await store.drop(storeKey, turn.value).catch(() => false)
        continue
      }
      try {
        const pems = [...certificatesIn(await fetch(certificatesIn)).values()].map(certificate => certificate.toString())
        adopt(pems, RENEW)
        if (turn) await store.finish(storeKey, owner, JSON.stringify(pems), RENEW).catch(() => false)
      } catch (error) {
        if (turn) await store.release(storeKey, owner).catch(() => {})
        throw error
      }
      return
    }
  }

  async function ask (knows: (pems: readonly string[]) => boolean): Promise<void> {
    if (!asking) {
      if (clock.now() - askedAt < GAP) return
      askedAt = clock.now()
      asking = renew(knows).finally(() => { asking = undefined })
    }
    await asking
  }

  return {
    async keyFor (serial) {
      if (PUBLIC_KEY_ID.test(serial)) return merchant.publicKeys.get(serial)
      const wanted = serial.toUpperCase()
      const held = certificates.get(wanted)
      if (held && isValid(held)) {
        // Nobody waits for this one.
        if (clock.now() > renewAt) ask(() => true).catch(() => {})
        return held.publicKey
      }
      await ask(pems => pems.some(pem => new X509Certificate(pem).serialNumber === wanted))
      return certificates.get(wanted)?.publicKey
    },

    async current () {
      const { publicKeyId, publicKey } = merchant
      if (publicKeyId && publicKey) return { serial: publicKeyId, key: publicKey }
      if (certificates.size === 0) await ask(pems => pems.length > 0)
      // The one that lives longest is the newest.
      const newest = [...certificates.values()].sort((one, other) => new Date(other.validTo).getTime() - new Date(one.validTo).getTime())[0]
      if (!newest) throw new WechatConfigError('merchant.v3.publicKey', 'and publicKeyId are required: WeChat Pay offers this merchant no platform certificate')
      return { serial: newest.serialNumber, key: newest.publicKey }
    }
  }
}

function parsed (value: string): string[] | undefined {
  try {
    const pems: unknown = JSON.parse(value)
    return Array.isArray(pems) && pems.every(pem => typeof pem === 'string') ? pems : undefined
  } catch {
    return undefined
  }
}
