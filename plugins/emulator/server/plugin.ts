/** WeChat's side as a Fastify plugin: all of its paths, and the emulator's own interface under /_emulator. */
import { createPublicKey, verify } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { authorize } from '../wechat/browser/authorize.ts'
import { bridge } from '../wechat/browser/bridge.ts'
import { control } from '../control/control.ts'
import { faults } from '../faults/faults.ts'
import { journal } from '../control/journal.ts'
import { createMishaps } from '../faults/mishaps.ts'
import { createNotifier } from '../notifications/notifier.ts'
import { officialAccount } from '../wechat/official-account.ts'
import { createPki } from '../keys/pki.ts'
import type { Pki } from '../keys/pki.ts'
import { payV2 } from '../wechat/v2/v2.ts'
import { payV3 } from '../wechat/v3/v3.ts'
import { createWorld } from '../state/world.ts'
import type { World, WorldOptions } from '../state/world.ts'
import { checkPluginOptions } from './options.ts'

export interface EmulatorOptions extends WorldOptions {
  /** Needed, together with the environment's WECHAT_EMULATOR_IN_PRODUCTION=yes, where NODE_ENV is production. */
  allowProduction?: boolean
  /** @internal What WeChat knows, its certificates, where its mutual TLS is, and the other accounts here; made anew by default. */
  parts?: { world: World, pki: Pki, secureOrigin (): string | undefined, names: string[] }
}

const BODY_LIMIT = 1 << 20

/** @throws Error where NODE_ENV is production, unless told twice */
export async function emulator (app: FastifyInstance, options: EmulatorOptions): Promise<void> {
  checkPluginOptions(options)
  refuseProduction(options.allowProduction)
  const world = options.parts?.world ?? createWorld(options)
  const pki = options.parts?.pki ?? createPki(world.account.mchId)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_LIMIT }, (_request, body, done) => done(null, body))
  const trouble = faults(app)
  const calls = journal(app, world)
  const account = officialAccount(app, world)
  authorize(app, world)
  const mishaps = createMishaps()
  const notifier = createNotifier(world, pki.v3, mishaps, app.log)
  const merchantKey = createPublicKey(pki.v3.merchant.key)
  const pay = payV2(app, world, {
    origin: () => app.listeningOrigin + app.prefix,
    verifyRsa: (text, signature) => verify('sha256', Buffer.from(text), merchantKey, Buffer.from(signature, 'base64')),
    refundSettled: refund => {
      const order = [...world.orders.values()].find(order => order.transaction_id === refund.transaction_id)
      if (order) notifier.refunded(refund, order)
      world.events.emit('change')
    }
  })
  const v3 = payV3(app, world, pki.v3, pay, notifier.combinedPaid)
  bridge(app, world, account, pay, merchantKey)
  const { secureOrigin = () => undefined, names = [] } = options.parts ?? {}
  control(app, world, { account, pay, v3, notifier, faults: trouble, mishaps, journal: calls, pki, secureOrigin, names })
  // Where nobody else is here, a call that this WeChat does not know is worth seeing among the others.
  if (options.parts) app.setNotFoundHandler(async (request, reply) => reply.code(404).send({ code: 'NOT_FOUND', message: `the emulator has no ${request.method} ${request.url.split('?')[0]}` }))
  app.addHook('onClose', async () => {
    pay.refunds.close()
    await notifier.close()
  })
}

/** @throws Error */
export function refuseProduction (allowed = false): void {
  if (process.env.NODE_ENV !== 'production') return
  if (allowed && process.env.WECHAT_EMULATOR_IN_PRODUCTION === 'yes') return
  throw new Error('the WeChat emulator does not run with NODE_ENV=production: it accepts payments nobody makes')
}
