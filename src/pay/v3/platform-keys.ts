/**
 * The keys that WeChat signs with: its public key as configured, or platform certificates, which are fetched, shared by
 * all processes, and renewed twice a day. During a switch both are in use.
 */
import { randomUUID, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import { WechatApiError, WechatConfigError, WechatReplyError } from '../../errors.ts'
import { accountKey } from '../../store/key.ts'
import type { Store } from '../../store/store.ts'
import type { CheckedV3 } from '../merchant.ts'
import { decryptResource } from './resource.ts'
import type { EncryptedResource } from './resource.ts'

/** Milliseconds: certificates are fetched again after this, */
const RENEW = 12 * 3600_000
/** but never twice within this, however many unknown serial numbers arrive, */
const GAP = 60_000
/** and not within this after a failed attempt. */
const FAULT_GAP = 5000
/** How long another process may take to fetch them; we wait slightly longer. */
const LEASE = 10_000
const ATTEMPTS = 200

const PATH = '/v3/certificates'
const PUBLIC_KEY_ID = /^PUB_KEY_ID_/

export interface PlatformKeys {
  /** The key of a serial number or public key id; undefined if WeChat has none, or must not be called again yet. */
  keyFor (serial: string): Promise<KeyObject | undefined>
  /** The certificates that this process knows. */
  certificates (): Iterable<X509Certificate>
  /** The key for sensitive fields, to be named in Wechatpay-Serial. @throws WechatConfigError if there is none */
  current (): Promise<{ serial: string, key: KeyObject }>
}

/** One certificate in the answer of /v3/certificates. */
interface Offered { serial_no: string, effective_time: string, expire_time: string, encrypt_certificate: EncryptedResource }

export interface PlatformKeyParts {
  merchant: CheckedV3
  store: Store
  clock: Pick<Clock, 'now'>
  /**
   * GET /v3/certificates. `keyOf`: the key of the answer's signature, which is the public key or a certificate in the same
   * answer: only WeChat can have encrypted it for this merchant.
   */
  fetch (keyOf: (answer: unknown, serial: string) => KeyObject | undefined): Promise<unknown>
}

export function createPlatformKeys ({ merchant, store, clock, fetch }: PlatformKeyParts): PlatformKeys {
  const storeKey = accountKey(merchant.mchId, 'v3:certificates')
  let certificates: Certificates = new Map()
  let renewAt = -Infinity
  let refreshedAt = -Infinity
  let refreshing: Promise<void> | undefined

  /** Decrypts them with the merchant's APIv3 key; only WeChat can have encrypted them. */
  function certificatesIn (answer: unknown): Certificates {
    const { data } = answer as { data?: Offered[] }
    const offered = Array.isArray(data) ? data : []
    const found = bySerial(offered.flatMap(({ serial_no: serial, encrypt_certificate: encrypted }) => {
      try {
        const certificate = new X509Certificate(decryptResource(encrypted, merchant.apiV3Keys))
        return certificate.serialNumber === serial.toUpperCase() ? [certificate] : []
      } catch {
        return [] // not encrypted for us
      }
    }))
    // A merchant whose certificates were revoked may get an empty list.
    if (found.size === 0 && offered.length > 0) throw new WechatReplyError(PATH, 'the answer has no usable certificate: check merchant.v3.apiV3Key')
    return found
  }

  function publicKeyOf (id: string): KeyObject | undefined {
    return merchant.publicKeys.get(id)
  }

  function keyOf (answer: unknown, serial: string): KeyObject | undefined {
    return PUBLIC_KEY_ID.test(serial) ? publicKeyOf(serial) : certificatesIn(answer).get(serial.toUpperCase())?.publicKey
  }

  function adopt (found: Certificates, ttl: number): void {
    certificates = found
    renewAt = clock.now() + Math.min(ttl, RENEW)
  }

  /** Fetched by one process for all; without the store, each process fetches its own. */
  async function renew (isEnough: (found: Certificates) => boolean): Promise<void> {
    const owner = randomUUID()
    for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
      const turn = await store.acquire(storeKey, owner, LEASE).catch(() => undefined)
      if (turn?.state === 'locked') {
        await sleep(50 + 50 * Math.random())
        continue
      }
      if (turn?.state === 'done') {
        const found = parsed(turn.value)
        // Do not fetch a recent list again for an unknown serial number: anyone can make one up.
        if (found && (isEnough(found) || turn.ttl > RENEW - GAP)) return adopt(found, turn.ttl)
        await store.delete(storeKey, turn.value).catch(() => false)
        continue
      }
      try {
        const found = certificatesIn(await fetch(keyOf))
        adopt(found, RENEW)
        if (turn && found.size > 0) await store.complete(storeKey, owner, JSON.stringify([...found.values()].map(String)), RENEW).catch(() => false)
        else if (turn) await store.release(storeKey, owner).catch(() => {})
      } catch (error) {
        if (turn) await store.release(storeKey, owner).catch(() => {})
        // A merchant with the public key may have no certificates: then a message signed with one is not WeChat's.
        if (!merchant.publicKey || !hasNoCertificates(error)) throw error
        if (error.signed) adopt(new Map(), RENEW)
      }
      return
    }
  }

  async function refresh (isEnough: (found: Certificates) => boolean): Promise<void> {
    if (!refreshing) {
      if (clock.now() - refreshedAt < GAP) return
      refreshedAt = clock.now()
      refreshing = renew(isEnough).catch((error: unknown) => {
        // A lost answer must not block verification for a minute.
        refreshedAt = clock.now() - GAP + FAULT_GAP
        throw error
      }).finally(() => { refreshing = undefined })
    }
    await refreshing
  }

  return {
    async keyFor (serial) {
      if (PUBLIC_KEY_ID.test(serial)) return publicKeyOf(serial)
      const wanted = serial.toUpperCase()
      const known = certificates.get(wanted)
      if (known && isValid(known)) {
        // In the background.
        if (clock.now() > renewAt) refresh(() => true).catch(() => {})
        return known.publicKey
      }
      await refresh(found => found.has(wanted))
      return certificates.get(wanted)?.publicKey
    },

    certificates: () => certificates.values(),

    async current () {
      const { publicKeyId, publicKey } = merchant
      if (publicKeyId && publicKey) return { serial: publicKeyId, key: publicKey }
      if (certificates.size === 0) await refresh(found => found.size > 0)
      // The one that expires last is the newest.
      const newest = [...certificates.values()].sort((one, other) => new Date(other.validTo).getTime() - new Date(one.validTo).getTime())[0]
      if (!newest) throw new WechatConfigError('merchant.v3.publicKey', 'and publicKeyId are required: WeChat Pay offers this merchant no platform certificate')
      return { serial: newest.serialNumber, key: newest.publicKey }
    }
  }
}

type Certificates = ReadonlyMap<string, X509Certificate>

const isValid = (certificate: X509Certificate) => Date.now() < new Date(certificate.validTo).getTime() && Date.now() > new Date(certificate.validFrom).getTime() - 86_400_000

const bySerial = (certificates: X509Certificate[]): Certificates =>
  new Map(certificates.filter(isValid).map(certificate => [certificate.serialNumber, certificate]))

/** Reads the list that a process stored for all; undefined for anything else, and if all certificates have expired. */
function parsed (value: string): Certificates | undefined {
  try {
    const found = bySerial((JSON.parse(value) as string[]).map(pem => new X509Certificate(pem)))
    return found.size > 0 ? found : undefined
  } catch {
    return undefined
  }
}

/** WeChat's "no platform certificate" (404 RESOURCE_NOT_EXISTS, 403 NOT_ENOUGH), as opposed to a temporary fault. */
const hasNoCertificates = (error: unknown): error is WechatApiError => error instanceof WechatApiError && ['RESOURCE_NOT_EXISTS', 'NOT_ENOUGH'].includes(error.wechatCode ?? '')
