/** Faults with WeChat's codes for api.weixin.qq.com, where codes are numbers. */
import type { FastifyInstance } from 'fastify'
import type { State } from '../state/state.ts'
import { refuse, withRid } from './wire.ts'

const MESSAGES: Readonly<Record<string, string>> = {
  '-1': 'system error',
  40001: 'invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r',
  40013: 'invalid appid',
  40029: 'invalid code',
  40125: 'invalid appsecret, view more at http://t.cn/RAEkdVq',
  40163: 'code been used',
  40164: 'invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist',
  40226: 'code blocked',
  40243: 'AppSecret已被冻结，请登录MP解冻后再次调用',
  41001: 'access_token missing',
  41008: 'missing code',
  41030: 'invalid page',
  42001: 'access_token expired',
  43101: 'user refuse to accept the msg',
  45009: 'reach max api daily quota limit',
  45011: 'api minute-quota reach limit',
  48001: 'api unauthorized',
  50002: 'user limited',
  50004: '禁止使用 token 接口',
  50007: '账号已冻结',
  61003: 'component is not authorized by this account',
  61004: 'access clientip is not registered requestIP: 203.0.113.9',
  61005: 'component ticket is expired',
  61006: 'component ticket is invalid',
  61007: 'api is unauthorized to component',
  61009: 'code is invalid',
  61023: 'refresh_token is invalid',
  87009: 'invalid signature',
  10060001: '支付单不存在',
  10060003: '支付单已使用重新发货机会',
  10060004: '支付单处于不可发货的状态'
}
/** v2's and v3's code names and the corresponding numbers. */
const NUMBERS: Readonly<Record<string, string>> = { SYSTEMERROR: '-1', SYSTEM_ERROR: '-1', RATELIMIT_EXCEED: '45011', FREQUENCY_LIMITED: '45011' }

export function apiFaults (app: FastifyInstance, state: State): void {
  app.addHook('preHandler', async (request, reply) => {
    const code = request.wechatFault?.code
    if (code === undefined) return
    const path = request.url.slice(app.prefix.length)
    if (!/^\/(?:cgi-bin|sns|wxa)\//.test(path)) return
    const number = NUMBERS[code] ?? code
    if (!/^-?\d+$/.test(number)) return
    return reply.type('application/json; charset=utf-8').send(JSON.stringify(withRid(refuse(Number(number), MESSAGES[number] ?? 'system error'), state, path.startsWith('/sns/') ? ',' : '')))
  })
}
