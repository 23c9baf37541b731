/** Turns a connection failure into a WechatNetworkError. */
import { WechatNetworkError } from '../errors.ts'

/** The error of a call that exceeds its time. */
export const TIMED_OUT = Object.assign(new Error('timed out'), { name: 'TimeoutError' })

/** The server refused our certificate. The handshake failed, although the request may already have been written after it. */
const CERTIFICATE_REFUSED = /_ALERT_(?:\w*CERTIFICATE\w*|UNKNOWN_CA)$/
const CERTIFICATE = /CERT|TLS|SSL|UNABLE_TO/
const UNREACHED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])

/** For a custom dispatcher: whether the error's code shows that the call failed before it was sent. */
export const neverConnected = (error: unknown): boolean => UNREACHED.has(codeOf(error)) || CERTIFICATE.test(codeOf(error))

/** Keeps only the code: the original error may contain the URL, and with it a secret. */
export function asNetworkError (name: string, error: unknown, sent: boolean): WechatNetworkError {
  // undici reports a proxy's answer to CONNECT only in the message. A 4xx, such as 407 (wrong credentials), is permanent: no retry.
  const refusal = /^Proxy response \((\d{3})\)/.exec(String((error as Error | undefined)?.message))?.[1]
  if (refusal !== undefined) return new WechatNetworkError(name, `PROXY_${refusal}`, 'not_sent', Number(refusal) >= 500)
  const reason = codeOf(error)
  const outcome = sent && !CERTIFICATE_REFUSED.test(reason) ? 'unknown' : 'not_sent'
  return new WechatNetworkError(name, reason, outcome, outcome === 'unknown' || !CERTIFICATE.test(reason))
}

function codeOf (error: unknown): string {
  const { code, name } = error as { code?: string, name?: string }
  if (name === 'TimeoutError') return 'TIMEOUT'
  return String([code, name].find(text => typeof text === 'string'))
}
