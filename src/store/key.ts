/**
 * An account's key in the store. The braces make Redis Cluster keep one account's keys together;
 * the encoding separates accounts, whatever their ids contain.
 */
export const accountKey = (appId: string, name: string): string => `wechat:{${encodeURIComponent(appId)}}:${name}`

/** Records of completed work, without secrets: handled notifications, requested refunds, reconciliation runs. */
const MARK = /^wechat:\{[^{}]*\}:(?:handled|refund|reconcile):/

/** Whether this key only records completed work. Such keys are never encrypted, so they survive a change of the encryption key. */
export const isMark = (key: string): boolean => MARK.test(key)
