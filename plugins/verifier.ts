/** Finds a notification's account on a path shared by all accounts: by verification, never by what the notification claims. */
import type { FastifyRequest } from 'fastify'
import { WechatConfigError, WechatError, WechatNotificationError } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import { claimsOf, mayBelong } from '../src/pay/notification-claims.ts'
import type { NotificationClaims } from '../src/pay/notification-claims.ts'
import type { Notification } from '../src/pay/notification-reader.ts'
import { SignatureProbe } from '../src/pay/v3/notification.ts'
import { withTimeout } from '../src/with-timeout.ts'
import type { AccountSource, WechatAccount } from './accounts.ts'

interface Proven { account: WechatAccount, notification: Notification }
type Headers = FastifyRequest['headers']

/** Maximum number of accounts in memory to try for one message; with more, use `accounts.ofNotification`. */
const MOST = 1000

/** `patience`: milliseconds to wait for an account that does not answer. */
export function createVerifier ({ kept, get, ofNotification }: AccountSource, patience: number, log: Log) {
  let isWarned = false

  async function candidates (claims: NotificationClaims, body: Uint8Array, request: FastifyRequest | undefined): Promise<Array<WechatAccount | Promise<WechatAccount>>> {
    if (ofNotification) return [await ofNotification(claims, request) ?? []].flat().slice(0, MOST).map(get)
    const fits = mayBelong(claims, body)
    const found: WechatAccount[] = []
    let looked = 0
    for (const account of kept()) {
      if (++looked > MOST) {
        if (!isWarned) log.warn({}, `fastify-wechat-pay: more than ${MOST} accounts, but accounts.ofNotification is not set: only the ${MOST} most recently used are tried for a notification`)
        isWarned = true
        break
      }
      if (fits(account.options)) found.push(account)
    }
    return found
  }

  async function tried (candidate: WechatAccount | Promise<WechatAccount>, headers: Headers, body: Uint8Array): Promise<Proven> {
    const account = candidate instanceof Promise ? await candidate : candidate
    try {
      return { account, notification: await account.notifications.read(headers, body) }
    } catch (err) {
      if (err instanceof WechatConfigError) log.error({ err, account: account.id }, 'fastify-wechat-pay: the options of an account are wrong')
      throw err
    }
  }

  /**
   * `account`: the account it must belong to, if the request says so.
   * @throws WechatNotificationError if it verifies for no account, or for more than one; WechatError (503) if a possible account could not be tried
   */
  return (headers: Headers, body: Uint8Array, account: WechatAccount | null | undefined, request: FastifyRequest | undefined): Promise<Proven> =>
    account ? tried(account, headers, body) : searched(headers, body, request)

  async function searched (headers: Headers, body: Uint8Array, request: FastifyRequest | undefined): Promise<Proven> {
    const attempts = (await withTimeout(patience, async () => await candidates(claimsOf(headers, body), body, request), notInTime)).map(candidate => withTimeout(patience, async () => await tried(candidate, headers, body), notInTime))
    // It contains the account's ids, so at most one account can verify it.
    const first = await Promise.any(attempts).catch((error: AggregateError) => { throw refusalOf(error.errors) })
    if (attempts.length === 1 || namesItsAccount(first.notification)) return first
    const proven = (await Promise.allSettled(attempts)).flatMap(attempt => attempt.status === 'fulfilled' ? [attempt.value] : [])
    if (proven.length === 1) return first
    log.error({ accounts: proven.map(({ account }) => account.id) }, 'fastify-wechat-pay: a refund or event belongs to a merchant that several accounts share, and does not name the account: give each account its own notifyUrl, make them one account with merchant.appIds, or let accounts.ofNotification choose')
    throw new WechatNotificationError('it may belong to several accounts', 409)
  }
}

/** Payments contain appid, mchid and sub_mchid, which were compared; so do v2 refunds. */
const namesItsAccount = ({ version, kind }: Notification) => version === 'v2' || (kind !== 'refund' && kind !== 'event')

/** The most specific refusal: if the message may still be genuine, WeChat must send it again. */
function refusalOf (errors: unknown[]): unknown {
  return errors.find(error => error instanceof SignatureProbe) ??
    errors.find(error => error instanceof WechatError && error.statusCode >= 500) ??
    errors[0] ??
    new WechatNotificationError('it belongs to no known account', 401)
}

const notInTime = () => new WechatError('WECHAT_ACCOUNT_LOOKUP', 'an account did not answer in time', { statusCode: 503, retryable: true })
