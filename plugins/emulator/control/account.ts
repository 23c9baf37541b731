/** Control routes for the account, its tokens, keys and clock. */
import type { FastifyRequest } from 'fastify'
import type { EmulatorConfig } from './config.ts'
import type { OfficialAccount } from '../wechat/official-account.ts'
import type { OpenPlatform } from '../wechat/open-platform/component.ts'
import type { Pki } from '../keys/pki.ts'
import { keyFiles } from '../keys/key-files.ts'
import { pem } from '../keys/v3-keys.ts'
import type { KeyMode, KeySwitch, State } from '../state/state.ts'
import { VERSION } from '../state/version.ts'
import { environment, shellVariables } from './environment.ts'
import { object, one, optional, schema, text } from './schemas.ts'
import type { Routes } from '../wechat/routes.ts'

export interface AccountParts {
  account: OfficialAccount
  pki: Pki
  /** The address of the mutual TLS listener, if there is one, for a caller that used this host. */
  secureOrigin (host: string): string | undefined
  /** Identifies this run of the emulator. */
  id: string
  platform: OpenPlatform | undefined
}

const CALENDAR = 'The emulator\'s clock, ISO 8601.'

/** `here`, `pay`: base URLs, the latter behind mutual TLS where there is one. */
export function configOf ({ state, pki, platform }: { state: State, pki: Pki, platform: OpenPlatform | undefined }, here: string, pay: string): EmulatorConfig {
  const { appId, appSecret, mchId, apiKey, apiV3Key } = state.account
  const { merchant, wechat } = pki.v3
  const privateKey = pem(merchant.key)
  return {
    appId,
    appSecret,
    merchant: {
      mchId,
      v2: { apiKey, key: privateKey, cert: merchant.cert },
      v3: {
        serialNo: merchant.serial,
        privateKey,
        apiV3Key,
        // An older merchant has no public key: platform certificates are fetched.
        ...(state.keyMode !== 'certificate' && { publicKeyId: wechat.id, publicKey: pem(wechat.publicKey) })
      }
    },
    endpoints: { api: here, open: here, mp: here, pay, payBackup: pay },
    http: { ca: pki.ca },
    ...(platform && { openPlatform: { componentAppId: platform.account.appId, componentAppSecret: platform.account.appSecret, token: platform.account.token, encodingAesKey: platform.account.encodingAesKey } })
  }
}

export function accountRoutes (app: Routes, state: State, { account, pki, secureOrigin, id, platform }: AccountParts): void {
  /** `host`: the host name that the caller uses. */
  function configFor (request: FastifyRequest, host?: string) {
    const prefix = app.prefix.replace(/\/_emulator$/, '')
    const name = host ?? request.hostname
    const here = `${request.protocol}://${name}${request.port === null || Number.isNaN(request.port) ? '' : `:${request.port}`}${prefix}`
    const secure = secureOrigin(name)
    return configOf({ state, pki, platform }, here, secure === undefined ? here : secure + prefix)
  }

  app.get<{ Querystring: { format?: 'json' | 'env', host?: string } }>('/config', {
    schema: schema({ tag: 'account', summary: 'Account, keys and endpoints, ready for the plugins\' options', query: { format: one(['json', 'env'], 'env: shell variables for eval. Default json.'), host: text('The host name by which the app reaches the emulator, if it differs from this request\'s.') }, answer: 'Account, keys and endpoints.' })
  }, async (request, reply) => {
    const { format, host } = request.query
    const config = configFor(request, host)
    if (format !== 'env') return config
    reply.serializer(payload => payload as string)
    return reply.type('text/plain; charset=utf-8').send(shellVariables(environment(config)))
  })

  app.get('/key-files', { schema: schema({ tag: 'account', summary: 'Keys and certificates as files, by name, in base64', answer: 'Files.' }) }, async () =>
    Object.fromEntries(Object.entries(keyFiles(pki, state.account.mchId, state.keyMode !== 'public-key')).map(([name, content]) => [name, Buffer.from(content).toString('base64')])))

  app.get('/health', { schema: schema({ tag: 'account', summary: 'Health and id of the emulator', answer: 'It is running.' }) }, async request => {
    const secure = secureOrigin(request.hostname)
    return { ok: true, id, version: VERSION, ...(secure !== undefined && { securePort: Number(new URL(secure).port) }) }
  })

  const calendar = () => ({ now: new Date(state.now()).toISOString() })

  app.get('/tokens', { schema: schema({ tag: 'account', summary: 'Numbers of issued tokens and tickets, and of requests for them', answer: 'Counts.' }) }, async () => account.counts())

  app.post<{ Body: { tickets?: boolean } | null }>('/tokens/expire', {
    schema: schema({ tag: 'account', summary: 'Expire every access_token, and optionally the tickets', body: optional(object({ tickets: { type: 'boolean', description: 'Also expire the tickets.' } })), answer: 'Counts.' })
  }, async request => {
    account.expire(request.body?.tickets === true)
    return account.counts()
  })

  app.post<{ Body: { mode: KeyMode, stage?: KeySwitch['stage'], callbacks?: number } }>('/keys/mode', {
    schema: schema({ tag: 'account', summary: 'Set the keys that sign APIv3 from now on', body: object({ mode: one(['public-key', 'certificate', 'both'], 'WeChat Pay\'s public key, platform certificates, or both at once during a switch.'), stage: one(['not-begun', 'under-way', 'done'], 'For both: the stage of the switch. Default under-way.'), callbacks: { type: 'number', minimum: 0, maximum: 1, description: 'For under-way: the share of callbacks signed with the public key. Default 1.' } }, ['mode']) })
  }, async request => {
    const { mode, stage = 'under-way', callbacks = 1 } = request.body
    state.keyMode = mode
    state.keySwitch = { stage, callbacks }
    return { mode, ...(mode === 'both' && state.keySwitch) }
  })

  app.post('/keys/rotate', { schema: schema({ tag: 'account', summary: 'Issue a new platform certificate, which signs from now on', answer: 'The serial number.' }) }, async () => ({ serial: pki.v3.rotate().serial }))

  app.post<{ Body: { ms: number } }>('/clock/advance', {
    schema: schema({ tag: 'account', summary: 'Move the emulator\'s clock: orders, bills, refunds, tokens and redelivery follow it; signatures use the real time', body: object({ ms: { type: 'number', description: 'Milliseconds; negative: back.' } }, ['ms']), answer: CALENDAR })
  }, async request => {
    state.advance(request.body.ms)
    return calendar()
  })

  app.post('/clock/reset', { schema: schema({ tag: 'account', summary: 'Return to the real date', answer: CALENDAR }) }, async () => {
    state.resetClock()
    return calendar()
  })
}
