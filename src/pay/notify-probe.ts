/**
 * A probe of the notify URL: did what was sent arrive unchanged? Whoever holds a key of the merchant's may ask; the
 * server answers what came, always as a refusal, and no handler ever sees it. Others get the refusal that they always get.
 */
import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

export const PROBE_HEADER = 'wechat-doctor-probe'
/** Neither "handled" (200, 204) nor a status that proxies like to answer in their own words. */
export const PROBE_STATUS = 422
/** Seconds that a probe's time may be away from now. */
const WINDOW = 300

/** What the server has received. */
export interface ProbeReport {
  /** SHA-256 of the body, hex. */
  digest: string
  /** Bytes. */
  length: number
  /** Names of the headers that came, without values. */
  headers: string[]
  /** Who asked, as Fastify's `trustProxy` reads it. */
  ip: string
  /** Whose connection it was. */
  peer: string
  protocol: string
  host: string
}

/** What is looked at of a FastifyRequest. */
interface Asked {
  headers: Readonly<Record<string, unknown>>
  body: unknown
  ip: string
  protocol: string
  host: string
  socket: { remoteAddress?: string | undefined }
}

/** A merchant, whose keys may be lists while they are being changed. */
interface ProbeKeys {
  v2?: { apiKey: string | readonly string[] } | undefined
  v3?: { apiV3Key: string | readonly string[] } | undefined
}

/** Derived, so that neither a probe nor its answer says anything about the key itself. */
const keysOf = ({ v2, v3 }: ProbeKeys): Buffer[] => [v3?.apiV3Key ?? [], v2?.apiKey ?? []].flat()
  .filter(key => typeof key === 'string' && key !== '')
  .map(key => Buffer.from(hkdfSync('sha256', key, '', 'fastify-wechat-pay notify probe', 32)))

const macOf = (key: Buffer, use: string, text: string) => createHmac('sha256', key).update(`${use}\n${text}`).digest('hex')
const same = (one: string, other: string) => one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))

export const digestOf = (body: Uint8Array): string => createHash('sha256').update(body).digest('hex')

const HEADER = /^((\d{10})\.[0-9a-f]{64})((?:\.[0-9a-f]{64}){1,8})$/

/** The header's value: time, digest, and a proof by each key, of which one has to be the server's. */
export function signProbe (merchant: ProbeKeys, body: Uint8Array): string {
  const said = `${Math.floor(Date.now() / 1000)}.${digestOf(body)}`
  return [said, ...keysOf(merchant).map(key => macOf(key, 'probe', said))].join('.')
}

/** The returned function answers what to send, or undefined for anything that is not a probe of this merchant's. */
export function createProbeAnswer (merchant: ProbeKeys) {
  const keys = keysOf(merchant)
  return ({ headers, body, ip, protocol, host, socket }: Asked): string | undefined => {
    const given = headers[PROBE_HEADER]
    const [, said = '', time, proofs = ''] = typeof given === 'string' ? HEADER.exec(given) ?? [] : []
    if (!time || Math.abs(Date.now() / 1000 - Number(time)) > WINDOW) return undefined
    const key = keys.find(key => proofs.slice(1).split('.').some(mac => same(mac, macOf(key, 'probe', said))))
    if (!key) return undefined
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0)
    const report = JSON.stringify({ digest: digestOf(bytes), length: bytes.length, headers: Object.keys(headers).sort(), ip, peer: socket.remoteAddress ?? '', protocol, host } satisfies ProbeReport)
    return JSON.stringify({ code: 'FAIL', message: 'a probe, not a notification', report, mac: macOf(key, 'answer', `${said}\n${report}`) })
  }
}

/** The server's report, if this is its answer to this very probe. */
export function readProbeAnswer (merchant: ProbeKeys, probe: string, answer: string): ProbeReport | undefined {
  try {
    const { report, mac } = JSON.parse(answer) as { report: string, mac: string }
    const said = HEADER.exec(probe)?.[1] ?? ''
    return keysOf(merchant).some(key => same(mac, macOf(key, 'answer', `${said}\n${report}`))) ? JSON.parse(report) as ProbeReport : undefined
  } catch {
    return undefined
  }
}
