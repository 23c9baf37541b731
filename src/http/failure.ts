/** What went wrong on the way, in our own words. */
import { WechatNetworkError } from '../errors.ts'

/** What a call is given up with when its time is over. */
export const TIMED_OUT = Object.assign(new Error('the time is over'), { name: 'TimeoutError' })

/** The server would not have our certificate: the handshake failed, though the request may be on its way behind it. */
const CERTIFICATE_REFUSED = /_ALERT_(?:\w*CERTIFICATE\w*|UNKNOWN_CA)$/
const CERTIFICATE = /CERT|TLS|SSL|UNABLE_TO/
const UNREACHED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])

/** Whether a call through a dispatcher that is not ours failed before it was sent, as far as its code can tell. */
export const neverConnected = (error: unknown): boolean => UNREACHED.has(codeOf(error)) || CERTIFICATE.test(codeOf(error))

/** Only the code is kept: the original error may hold the URL, and with it a secret. */
export function asNetworkError (name: string, error: unknown, sent: boolean): WechatNetworkError {
  // What a proxy answers to CONNECT, undici has in words only. 407: it wants other credentials, and will the next time.
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
