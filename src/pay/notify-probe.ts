/**
 * A probe of the notify URL: checks whether a request arrives unchanged. Only the owner of the merchant's key can send one. The
 * server reports what arrived, always as a refusal, and no handler sees it. All other requests get the usual refusal.
 */
import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

export const PROBE_HEADER = 'wechat-doctor-probe'
/** Neither "handled" (200, 204) nor a status that proxies often replace. */
export const PROBE_STATUS = 422
/** Seconds that a probe's time may differ from now. */
const WINDOW = 300

/** What the server received. */
export interface ProbeReport {
  /** SHA-256 of the body, hex. */
  digest: string
  /** Bytes. */
  length: number
  /** Names of the received headers, without values. */
  headers: string[]
  /** The client's address according to Fastify's `trustProxy`. */
  ip: string
  /** The address of the connection's other end. */
  peer: string
  protocol: string
  host: string
}

/** The parts of a FastifyRequest in use here. */
interface Asked {
  headers: Readonly<Record<string, unknown>>
  body: unknown
  ip: string
  protocol: string
  host: string
  socket: { remoteAddress?: string | undefined }
}

/** A merchant, whose keys may be lists during a change. */
interface ProbeKeys {
  v2?: { apiKey: string | readonly string[] } | undefined
  v3?: { apiV3Key: string | readonly string[] } | undefined
}

/** Derived, so that neither a probe nor its answer reveals the key. */
const keysOf = ({ v2, v3 }: ProbeKeys): Buffer[] => [v3?.apiV3Key ?? [], v2?.apiKey ?? []].flat()
  .filter(key => typeof key === 'string' && key !== '')
  .map(key => Buffer.from(hkdfSync('sha256', key, '', 'fastify-wechat-pay notify probe', 32)))

const macOf = (key: Buffer, use: string, text: string) => createHmac('sha256', key).update(`${use}\n${text}`).digest('hex')
const same = (one: string, other: string) => one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))

export const digestOf = (body: Uint8Array): string => createHash('sha256').update(body).digest('hex')

const HEADER = /^((\d{10})\.[0-9a-f]{64})((?:\.[0-9a-f]{64}){1,8})$/

/** The header's value: time, digest, and one signature per key, of which one must be made with the server's key. */
export function signProbe (merchant: ProbeKeys, body: Uint8Array): string {
  const payload = `${Math.floor(Date.now() / 1000)}.${digestOf(body)}`
  return [payload, ...keysOf(merchant).map(key => macOf(key, 'probe', payload))].join('.')
}

/** The returned function returns the report to send, or undefined for anything that is not this merchant's probe. */
export function createProbeAnswer (merchant: ProbeKeys) {
  const keys = keysOf(merchant)
  return ({ headers, body, ip, protocol, host, socket }: Asked): string | undefined => {
    const given = headers[PROBE_HEADER]
    const [, payload = '', time, proofs = ''] = typeof given === 'string' ? HEADER.exec(given) ?? [] : []
    if (!time || Math.abs(Date.now() / 1000 - Number(time)) > WINDOW) return undefined
    const key = keys.find(key => proofs.slice(1).split('.').some(mac => same(mac, macOf(key, 'probe', payload))))
    if (!key) return undefined
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0)
    const report = JSON.stringify({ digest: digestOf(bytes), length: bytes.length, headers: Object.keys(headers).sort(), ip, peer: socket.remoteAddress ?? '', protocol, host } satisfies ProbeReport)
    return JSON.stringify({ code: 'FAIL', message: 'a probe, not a notification', report, mac: macOf(key, 'answer', `${payload}\n${report}`) })
  }
}

/** The server's report, if this is the answer to this probe. */
export function readProbeAnswer (merchant: ProbeKeys, probe: string, answer: string): ProbeReport | undefined {
  try {
    const { report, mac } = JSON.parse(answer) as { report: string, mac: string }
    const payload = HEADER.exec(probe)?.[1] ?? ''
    return keysOf(merchant).some(key => same(mac, macOf(key, 'answer', `${payload}\n${report}`))) ? JSON.parse(report) as ProbeReport : undefined
  } catch {
    return undefined
  }
}
