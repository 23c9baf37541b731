/** Who this WeChat's account is, its tokens, its keys and its clock. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { OfficialAccount } from '../wechat/official-account.ts'
import type { OpenPlatform } from '../wechat/open-platform/component.ts'
import type { Pki } from '../keys/pki.ts'
import { keyFiles } from '../keys/key-files.ts'
import { pem } from '../keys/v3-keys.ts'
import type { KeyMode, KeySwitch, State } from '../state/state.ts'
import { VERSION } from '../state/version.ts'
import { environment, shellVariables } from './environment.ts'
import { object, one, optional, schema, text } from './schemas.ts'

export interface AccountParts {
  account: OfficialAccount
  pki: Pki
  /** Where the mutual TLS listener is, if there is one, for who asked for this host. */
  secureOrigin (host: string): string | undefined
  /** Of this start of the emulator. */
  id: string
  platform: OpenPlatform | undefined
}

const CALENDAR = 'The time on this WeChat\'s calendar, ISO 8601.'

export function accountRoutes (app: FastifyInstance, state: State, { account, pki, secureOrigin, id, platform }: AccountParts): void {
  /** `host`: by which name the asker reaches this emulator. */
  function configFor (request: FastifyRequest, host?: string) {
    const { appId, appSecret, mchId, apiKey, apiV3Key } = state.account
    const { merchant, wechat } = pki.v3
    const prefix = app.prefix.replace(/\/_emulator$/, '')
    const name = host ?? request.hostname
    const here = `${request.protocol}://${name}${request.port === null || Number.isNaN(request.port) ? '' : `:${request.port}`}${prefix}`
    const secure = secureOrigin(name)
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
          ...(state.keyMode !== 'certificate' && { publicKeyId: wechat.id, publicKey: pem(wechat.publicKey) })
        }
      },
      endpoints: { api: here, open: here, mp: here, pay, payBackup: pay },
      http: { ca: pki.ca },
      ...(platform && { openPlatform: { componentAppId: platform.account.appId, componentAppSecret: platform.account.appSecret, token: platform.account.token, encodingAesKey: platform.account.encodingAesKey } })
    }
  }

  app.get<{ Querystring: { format?: 'json' | 'env', host?: string } }>('/config', {
    schema: schema({ tag: 'account', summary: 'Account, keys and endpoints, ready for the plugins\' options', query: { format: one(['json', 'env'], 'env: as shell variables, to be read with eval. Default json.'), host: text('The name that you reach this emulator by, where it is not the one that you ask it by.') }, answer: 'Account, keys and endpoints.' })
  }, async (request, reply) => {
    const { format, host } = request.query
    const config = configFor(request, host)
    if (format !== 'env') return config
    reply.serializer(payload => payload as string)
    return reply.type('text/plain; charset=utf-8').send(shellVariables(environment(config)))
  })

  app.get('/key-files', { schema: schema({ tag: 'account', summary: 'Keys and certificates as files, by name, in base64', answer: 'Files.' }) }, async () =>
    Object.fromEntries(Object.entries(keyFiles(pki, state.account.mchId, state.keyMode !== 'public-key')).map(([name, content]) => [name, Buffer.from(content).toString('base64')])))

  app.get('/health', { schema: schema({ tag: 'account', summary: 'Whether it is up, and which one it is', answer: 'That it is up.' }) }, async request => {
    const secure = secureOrigin(request.hostname)
    return { ok: true, id, version: VERSION, ...(secure !== undefined && { securePort: Number(new URL(secure).port) }) }
  })

  const calendar = () => ({ now: new Date(state.now()).toISOString() })

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
    state.keyMode = mode
    state.keySwitch = { stage, callbacks }
    return { mode, ...(mode === 'both' && state.keySwitch) }
  })

  app.post('/keys/rotate', { schema: schema({ tag: 'account', summary: 'A new platform certificate signs from now on', answer: 'Its serial number.' }) }, async () => ({ serial: pki.v3.rotate().serial }))

  app.post<{ Body: { ms: number } }>('/clock/advance', {
    schema: schema({ tag: 'account', summary: 'Move this WeChat\'s calendar: orders, bills, refunds, tokens and redelivery; signatures keep to the real time', body: object({ ms: { type: 'number', description: 'Milliseconds; negative: back.' } }, ['ms']), answer: CALENDAR })
  }, async request => {
    state.advance(request.body.ms)
    return calendar()
  })

  app.post('/clock/reset', { schema: schema({ tag: 'account', summary: 'Back to the real date', answer: CALENDAR }) }, async () => {
    state.resetClock()
    return calendar()
  })
}
