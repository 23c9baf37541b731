/** Tests another host step by step: name, connection, TLS, HTTP. Does not use the package's own client, whose errors are less specific. */
import { X509Certificate } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { request as requestHttp } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { request as requestHttps } from 'node:https'
import { connect as connectTcp, isIP } from 'node:net'
import { connect as connectTls, rootCertificates } from 'node:tls'
import type { DetailedPeerCertificate } from 'node:tls'
import { secureContextOf } from '../http/agent.ts'

/** Milliseconds per step. */
const TIMEOUT = 10_000
/** Maximum bytes to read of an answer. */
const MOST = 64 * 1024

export type Authorities = string | readonly string[] | undefined

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code ?? (error as Error).name)

const hostOf = ({ hostname }: URL) => hostname.replace(/^\[|\]$/g, '')
const portOf = ({ port, protocol }: URL) => Number(port || (protocol === 'https:' ? 443 : 80))
const trusted = (ca: Authorities = []) => ({ secureContext: secureContextOf({ ca: [ca].flat() }) })

export async function addressesOf (url: URL): Promise<{ addresses: Array<{ address: string, family: number }> } | { problem: string }> {
  const host = hostOf(url)
  try {
    return { addresses: isIP(host) ? [{ address: host, family: isIP(host) }] : await lookup(host, { all: true }) }
  } catch (error) {
    return { problem: codeOf(error) }
  }
}

/** Undefined if the connection succeeds; otherwise the system's error code. */
export async function connectionProblem (url: URL, host = hostOf(url)): Promise<string | undefined> {
  return await new Promise(resolve => {
    const socket = connectTcp({ host, port: portOf(url), timeout: TIMEOUT })
    const end = (problem?: string) => {
      socket.destroy()
      resolve(problem)
    }
    socket.once('connect', () => end()).once('timeout', () => end('TIMEOUT')).on('error', error => end(aggregated(error)))
  })
}

/** Node.js tries all addresses of a name and throws an error with all their errors. */
const aggregated = (error: Error) => codeOf((error as AggregateError).errors?.[0] ?? error)

export interface TlsView {
  /** OpenSSL's code, such as UNABLE_TO_VERIFY_LEAF_SIGNATURE, or the system's if there was no handshake. */
  problem?: string
  /** The issuer of the certificate, or of the last one in the chain. */
  issuer: string
  validFrom: string
  validTo: string
  /** Whether the chain ends at an authority that Node.js includes. */
  isPublic: boolean
}

export async function tlsView (url: URL, ca?: Authorities): Promise<TlsView> {
  return await new Promise(resolve => {
    const host = hostOf(url)
    // Not verified here, because the check reports what is wrong; nothing is sent.
    const socket = connectTls({ host, port: portOf(url), ...(!isIP(host) && { servername: host }), rejectUnauthorized: false, timeout: TIMEOUT, ...trusted(ca) })
    const end = (problem: string | undefined) => {
      const chain = chainOf(socket.getPeerCertificate(true))
      const [first, last] = [chain[0], chain.at(-1)]
      socket.destroy()
      resolve({
        ...(problem !== undefined && { problem }),
        issuer: last ? nameOf(last.issuer) : '',
        validFrom: first?.valid_from ?? '',
        validTo: first?.valid_to ?? '',
        isPublic: chain.some(isKnown)
      })
    }
    socket
      .once('secureConnect', () => end(socket.authorized ? undefined : String((socket.authorizationError as unknown as { code?: string }).code ?? socket.authorizationError)))
      .once('timeout', () => end('TIMEOUT'))
      .on('error', error => end(aggregated(error)))
  })
}

function chainOf (certificate: DetailedPeerCertificate | undefined): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = []
  for (let one = certificate; one?.raw && !chain.includes(one) && chain.length < 10; one = one.issuerCertificate) chain.push(one)
  return chain
}

const nameOf = ({ O, CN }: { O?: string | string[], CN?: string | string[] }): string => [CN, O].flat().filter(Boolean).join(', ')

let known: { certificates: Set<string>, names: Set<string> } | undefined

/** An authority that Node.js includes, or a certificate issued under one's name: roots are renewed, and chains may be incomplete. */
function isKnown ({ raw }: DetailedPeerCertificate): boolean {
  known ??= { certificates: new Set(rootCertificates.map(bytesOf)), names: new Set(rootCertificates.map(pem => new X509Certificate(pem).subject)) }
  return known.certificates.has(raw.toString('base64')) || known.names.has(new X509Certificate(raw).issuer)
}

const bytesOf = (pem: string) => pem.replace(/-----[^-]+-----|\s/g, '')

export interface Hit { status: number, headers: IncomingHttpHeaders, body: string, ms: number }

export interface HitOptions { method?: string, headers?: Readonly<Record<string, string>>, body?: Buffer, ca?: Authorities }

/** One request; redirects are not followed. */
export async function hit (url: URL, { method = 'GET', headers = {}, body, ca }: HitOptions = {}): Promise<Hit | { problem: string }> {
  const start = performance.now()
  return await new Promise(resolve => {
    const request = url.protocol === 'https:' ? requestHttps : requestHttp
    const sent = request(url, { method, headers: { ...headers, ...(body && { 'content-length': body.length }) }, agent: false, timeout: TIMEOUT, ...(url.protocol === 'https:' && trusted(ca)) }, reply => {
      const chunks: Buffer[] = []
      let size = 0
      reply.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > MOST) reply.destroy()
        else chunks.push(chunk)
      })
      reply.once('error', error => resolve({ problem: codeOf(error) }))
      reply.once('close', () => resolve({ status: reply.statusCode ?? 0, headers: reply.headers, body: Buffer.concat(chunks).toString(), ms: performance.now() - start }))
    })
    sent.once('timeout', () => sent.destroy(Object.assign(new Error(), { code: 'TIMEOUT' })))
    sent.on('error', error => resolve({ problem: aggregated(error) }))
    sent.end(body)
  })
}

/** Whether an address is not reachable from the internet. */
export function isPrivate (url: URL): boolean {
  const host = hostOf(url)
  return /^(?:localhost|.*\.(?:local|internal|localhost|lan))$|^(?:127|10)\.|^192\.168\.|^169\.254\.|^172\.(?:1[6-9]|2\d|3[01])\.|^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|^(?:::1|f[cd].*:.*|fe80:.*)$/i.test(host)
}
