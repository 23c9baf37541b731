/**
 * Where something of an account lies in the store. The braces make Redis Cluster keep one account's keys together;
 * the encoding keeps any two accounts apart, whatever their ids contain.
 */
export const accountKey = (appId: string, name: string): string => `wechat:{${encodeURIComponent(appId)}}:${name}`

/** What was done, and holds no secret: handled notifications, refunds asked for, runs of the reconciliation. */
const MARK = /^wechat:\{[^{}]*\}:(?:handled|refund|reconcile):/

/** Whether what lies there says only that something was done; it is never encrypted, and so outlives a change of the key. */
export const isMark = (key: string): boolean => MARK.test(key)
