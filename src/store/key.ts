/**
 * Where something of an account lies in the store. The braces make Redis Cluster keep one account's keys together;
 * the encoding keeps any two accounts apart, whatever their ids contain.
 */
export const accountKey = (appId: string, name: string): string => `wechat:{${encodeURIComponent(appId)}}:${name}`
