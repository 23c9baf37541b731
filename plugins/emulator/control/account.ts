/** Who this WeChat's account is, its tokens, its keys and its clock. */
import type { FastifyInstance } from 'fastify'
import type { OfficialAccount } from '../wechat/official-account.ts'
import type { Pki } from '../keys/pki.ts'
import { pem } from '../keys/v3-keys.ts'
import type { KeyMode, KeySwitch, World } from '../state/world.ts'
import { number, object, one, optional, schema } from './schemas.ts'

export interface AccountParts {
  account: OfficialAccount
  pki: Pki
  /** Where the mutual TLS listener is, if there is one. */
  secureOrigin (): string | undefined
}

export function accountRoutes (app: FastifyInstance, world: World, { account, pki, secureOrigin }: AccountParts): void {
  app.get('/config', { schema: schema({ tag: 'account', summary: 'Account, keys and endpoints, ready for the plugins\' options', answer: 'Account, keys and endpoints.' }) }, async request => {
    const { appId, appSecret, mchId, apiKey, apiV3Key } = world.account
    const { merchant, wechat } = pki.v3
    const prefix = app.prefix.replace(/\/_emulator$/, '')
    const here = `${request.protocol}://${request.host}${prefix}`
    const secure = secureOrigin()
    const pay = secure === undefined ? here : secure + prefix
    return {
      appId,
      appSecret,
      merchant: {
        mchId,
        v2: { apiKey, ...pki.merchant },
        v3: {
          serialNo: merchant.serial,
          privateKey: pem(merchant.key),
          apiV3Key,
          // An old merchant has no public key: its platform certificates are fetched.
          ...(world.keyMode !== 'certificate' && { publicKeyId: wechat.id, publicKey: pem(wechat.publicKey) })
        }
      },
      endpoints: { api: here, open: here, pay, payBackup: pay },
      http: { ca: pki.ca }
    }
  })

  app.get('/tokens', { schema: schema({ tag: 'account', summary: 'How many tokens and tickets were issued, and how often they were asked for', answer: 'Counts.' }) }, async () => account.counts())

  app.post<{ Body: { tickets?: boolean } | null }>('/tokens/expire', {
    schema: schema({ tag: 'account', summary: 'Kill every access_token, and on demand the tickets', body: optional(object({ tickets: { type: 'boolean', description: 'The tickets, too.' } })), answer: 'Counts.' })
  }, async request => {
    account.expire(request.body?.tickets === true)
    return account.counts()
  })

  app.post<{ Body: { mode: KeyMode, stage?: KeySwitch['stage'], callbacks?: number } }>('/keys/mode', {
    schema: schema({ tag: 'account', summary: 'Which keys APIv3 is signed with from now on', body: object({ mode: one(['public-key', 'certificate', 'both'], 'WeChat Pay\'s public key, platform certificates, or both at once during a switch.'), stage: one(['not-begun', 'under-way', 'done'], 'Of both: how far the switch is. Default under-way.'), callbacks: { type: 'number', minimum: 0, maximum: 1, description: 'Of under-way: the share of callbacks that the public key signs. Default 1.' } }, ['mode']) })
  }, async request => {
    const { mode, stage = 'under-way', callbacks = 1 } = request.body
    world.keyMode = mode
    world.keySwitch = { stage, callbacks }
    return { mode, ...(mode === 'both' && world.keySwitch) }
  })

  app.post('/keys/rotate', { schema: schema({ tag: 'account', summary: 'A new platform certificate signs from now on', answer: 'Its serial number.' }) }, async () => ({ serial: pki.v3.rotate().serial }))

  app.post<{ Body: { ms: number } }>('/clock/advance', {
    schema: schema({ tag: 'account', summary: 'Move this WeChat\'s clock on', body: object({ ms: number('Milliseconds.') }, ['ms']), answer: 'The time here, ISO 8601.' })
  }, async request => {
    world.advance(request.body.ms)
    return { now: new Date(world.now()).toISOString() }
  })
}
