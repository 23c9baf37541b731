/** WeChat's side as a Fastify plugin: all of its paths, and the control interface under /_emulator. */
import { randomUUID, verify } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { authorize } from '../wechat/browser/authorize.ts'
import { bridge } from '../wechat/browser/bridge.ts'
import { control } from '../control/control.ts'
import { faults } from '../faults/faults.ts'
import { journal } from '../control/journal.ts'
import { answerInWechatsCase } from '../wechat/header-names.ts'
import { answerUnknownPaths } from '../wechat/unknown-paths.ts'
import { createNotificationFaults } from '../faults/notification-faults.ts'
import { createNotifier } from '../notifications/notifier.ts'
import { apiFaults } from '../wechat/api-faults.ts'
import { miniProgram } from '../wechat/mini-program/mini-program.ts'
import { officialAccountCalls } from '../wechat/official-account-calls.ts'
import { componentCalls } from '../wechat/open-platform/calls.ts'
import { createOpenPlatform } from '../wechat/open-platform/component.ts'
import type { ComponentOptions, OpenPlatform } from '../wechat/open-platform/component.ts'
import { authorizationPages } from '../wechat/open-platform/authorization.ts'
import { onBehalf } from '../wechat/open-platform/on-behalf.ts'
import { officialAccount } from '../wechat/official-account.ts'
import { createPki } from '../keys/pki.ts'
import type { Pki } from '../keys/pki.ts'
import { payV2 } from '../wechat/v2/v2.ts'
import type { PayV2 } from '../wechat/v2/v2.ts'
import { payV3 } from '../wechat/v3/v3.ts'
import { sensitiveReader } from '../wechat/v3/area.ts'
import { returnNotice, shareNotice } from '../wechat/v3/profit-sharing.ts'
import { createTimers } from '../state/timers.ts'
import { createState } from '../state/state.ts'
import type { State, StateOptions } from '../state/state.ts'
import { createRoutes } from '../wechat/routes.ts'
import { checkPluginOptions } from './options.ts'

export interface EmulatorOptions extends StateOptions {
  /** A third-party platform (第三方平台) that the accounts may authorize; `true`: with generated keys. Default: none. */
  component?: boolean | ComponentOptions
  /** Required, together with the environment variable WECHAT_EMULATOR_IN_PRODUCTION=yes, if NODE_ENV is production. */
  allowProduction?: boolean
  /** @internal The state, certificates, mutual TLS address and other accounts; created by default. */
  parts?: { state: State, pki: Pki, secureOrigin (host: string): string | undefined, names: string[], id: string, publicHosts: readonly string[], platform: OpenPlatform | undefined }
}

/** Videos may have 5 MB. */
const BODY_LIMIT = 6 << 20

/** @throws Error if NODE_ENV is production, unless both overrides are set */
export async function emulator (app: FastifyInstance, options: EmulatorOptions): Promise<void> {
  checkPluginOptions(options)
  refuseProduction(options.allowProduction)
  const state = options.parts?.state ?? createState(options)
  const pki = options.parts?.pki ?? createPki(state.account.mchId)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_LIMIT }, (_request, body, done) => done(null, body))
  answerInWechatsCase(app)
  // The clock of signatures, not the machine's, because clients compare it with theirs.
  app.addHook('onSend', async (_request, reply) => { reply.header('date', new Date(state.wireNow()).toUTCString()) })
  const missing = answerUnknownPaths(app, state, options.parts !== undefined)
  const { routes, mount } = createRoutes(app, { missing, placeOf: path => /^(?:\/_emulator)?\/[^/]+/.exec(path)?.[0] ?? '' })
  const callFaults = faults(app)
  const calls = journal(app, state)
  const account = officialAccount(routes, state)
  const platform = options.parts ? options.parts.platform : ownPlatform(app, options.component, state)
  const oauth = authorize(routes, state, platform)
  apiFaults(app, state)
  const notificationFaults = createNotificationFaults()
  const notifier = createNotifier(state, pki.v3, notificationFaults, app.log)
  const timers = createTimers(state)
  const origin = () => app.listeningOrigin + app.prefix
  const pay: PayV2 = payV2(routes, state, {
    origin,
    verifyRsa: (text, signature) => verify('sha256', Buffer.from(text), pki.v3.merchant.publicKey, Buffer.from(signature, 'base64')),
    after: timers.after,
    contracts: { contractSigned: notifier.contractSigned, paid: notifier.paid },
    bank: { bankKey: () => pki.v3.wechat.publicKey.export({ type: 'pkcs1', format: 'pem' }) as string, decrypt: sensitiveReader(state, pki.v3) },
    notices: {
      shared: (share, receiver) => notifier.event({ url: share.notify_url, type: 'TRANSACTION.SUCCESS', originalType: 'transaction', summary: '分账', content: shareNotice(state.account.mchId, share, receiver) }),
      takenBack: (back, share) => notifier.event({ url: share.notify_url, type: 'TRANSACTION.SUCCESS', originalType: 'transaction', summary: '分账回退', content: returnNotice(state.account.mchId, back, share) })
    },
    refundSettled: refund => {
      const order = pay.orders.byTransaction(refund.transaction_id)
      if (order) notifier.refunded(refund, order)
      state.events.emit('change')
    }
  })
  const v3 = payV3(routes, state, pki.v3, pay, { origin, combinedPaid: notifier.combinedPaid, sendEvent: notifier.event, after: timers.after })
  officialAccountCalls(routes, state, account)
  const mini = miniProgram(routes, state, account, pay)
  if (platform) {
    componentCalls(routes, state, platform)
    authorizationPages(routes, platform)
    onBehalf(routes, state, { platform, oauth, mini })
  }
  bridge(routes, state, account, pay, v3, mini, pki.v3)
  mount()
  const { secureOrigin = () => undefined, names = [], id = randomUUID(), publicHosts = [] } = options.parts ?? {}
  control(app, state, { account, mini, pay, v3, notifier, faults: callFaults, notificationFaults, journal: calls, pki, secureOrigin, names, id, publicHosts, platform, missing })
  app.addHook('onClose', async () => {
    pay.refunds.close()
    timers.close()
    await notifier.close()
  })
}

/** The platform of a plugin without `createEmulator`: starts and stops with the app. */
function ownPlatform (app: FastifyInstance, component: EmulatorOptions['component'], state: State): OpenPlatform | undefined {
  if (!component) return undefined
  const platform = createOpenPlatform(component === true ? {} : component, [{ name: '', state }], app.log)
  app.addHook('onReady', async () => { platform.start() })
  app.addHook('onClose', platform.close)
  return platform
}

/** @throws Error */
export function refuseProduction (allowed = false): void {
  if (process.env.NODE_ENV !== 'production') return
  if (allowed && process.env.WECHAT_EMULATOR_IN_PRODUCTION === 'yes') return
  throw new Error('the WeChat emulator does not run with NODE_ENV=production: its payments are not real')
}
