/** One account, including its payments. */
import { lazyAccount } from './lazy-account.ts'
import type { Account, AccountOptions, AccountParts, PaymentParts } from './lazy-account.ts'
import { platformCertificates } from './pay/expiry.ts'
import { checkMerchant } from './pay/merchant.ts'
import { createNotificationReader } from './pay/notification-reader.ts'
import { createPay } from './pay/pay.ts'
import { createV3Client } from './pay/v3/client.ts'

const PAYMENTS: PaymentParts = { checkMerchant, createPay, createNotificationReader, createV3Client, platformCertificates }

/** @throws WechatConfigError if `appId` is missing or wrong */
export function createAccount<O extends AccountOptions> (options: O, parts: AccountParts = {}): Account<O> {
  return lazyAccount(options, parts, PAYMENTS)
}

export type { Account, AccountOptions, AccountParts, WechatJssdk, WechatNotifications } from './lazy-account.ts'
