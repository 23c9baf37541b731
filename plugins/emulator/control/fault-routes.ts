/** Control routes for faults, random faults and notifications. */
import { createRandomFaults } from '../faults/random-faults.ts'
import type { Fault, FaultOdds, Faults } from '../faults/faults.ts'
import type { NotificationFault, NotificationFaultOdds, NotificationFaults } from '../faults/notification-faults.ts'
import type { Notifier } from '../notifications/notifier.ts'
import type { OpenPlatform } from '../wechat/open-platform/component.ts'
import { orderOf } from './journal.ts'
import type { State } from '../state/state.ts'
import { listOf, number, object, one, schema, text } from './schemas.ts'
import type { Routes } from '../wechat/routes.ts'

export interface FaultRoutesParts { notifier: Notifier, faults: Faults, notificationFaults: NotificationFaults, platform: OpenPlatform | undefined }

/** Random faults: the probability of each fault of calls and notifications, from 0 to 1. The same seed gives the same faults. */
export interface Chaos { seed: number, calls?: FaultOdds, notifications?: NotificationFaultOdds }

const ODDS = { type: 'object', additionalProperties: { type: 'number', minimum: 0, maximum: 1 }, description: 'Kinds and their probabilities.' }
const TIMES = { type: 'integer', minimum: 1, description: 'How many calls or notifications. Default 1.' }

export function faultRoutes (app: Routes, state: State, { notifier, faults, notificationFaults, platform }: FaultRoutesParts): void {
  const resend = async (id: string) => {
    const push = state.deliveries.find(delivery => delivery.id === id && delivery.about === 'component')
    return push && platform ? await platform.pushes.resend(push) : await notifier.resend(id)
  }

  app.get<{ Querystring: { after?: string } }>('/notifications', {
    schema: schema({ tag: 'notifications', summary: 'Each attempt to notify the merchant, with its reply', query: { after: text('Only those sent after this id.') }, answer: listOf('Deliveries, oldest first.') })
  }, async ({ query: { after = '' } }) => state.deliveries.slice(orderOf(after)))

  app.post<{ Params: { id: string } }>('/notifications/:id/resend', {
    schema: schema({ tag: 'notifications', summary: 'Resend a notification', params: { id: text('The delivery\'s id.') }, answer: 'The new delivery.', refusals: [404] })
  }, async (request, reply) =>
    await resend(request.params.id) ?? reply.code(404).send({ code: 'NOT_FOUND', message: 'no such notification' }))

  app.post<{ Body: { url: string } }>('/probe', {
    schema: schema({ tag: 'notifications', summary: 'Send a v3 probe: a notification with a deliberately wrong signature', body: object({ url: text('The target URL.') }, ['url']), answer: 'The delivery.' })
  }, async request => await notifier.probe(request.body.url))

  app.post<{ Body: NotificationFault }>('/notifications/faults', {
    schema: schema({
      tag: 'faults',
      summary: 'Add a fault for the next notifications',
      body: object({ kind: one(['drop', 'delay', 'hold', 'duplicate', 'concurrent', 'forge'], 'The kind of fault.'), ms: number('For delay: milliseconds. Default 1000.'), copies: { type: 'integer', minimum: 1, description: 'Default 3.' }, times: TIMES }, ['kind'])
    })
  }, async request => {
    notificationFaults.add(request.body)
    return { ok: true }
  })

  app.post<{ Body: Fault }>('/faults', {
    schema: schema({
      tag: 'faults',
      summary: 'Add a fault for the next calls',
      body: object({ path: text('Only calls whose path starts with this. Default: any.'), kind: text('hang, reset, html, 502, garbage, slow, or one of WeChat\'s own codes.'), when: one(['before', 'after'], 'Before or after WeChat has acted. Default before.'), times: TIMES, ms: number('For slow: milliseconds. Default 1000.') }, ['kind'])
    })
  }, async request => {
    faults.add(request.body)
    return { ok: true }
  })

  app.post<{ Body: Chaos }>('/chaos', {
    schema: schema({ tag: 'faults', summary: 'Random faults, until the faults are cleared', body: object({ seed: { type: 'number', description: 'The same seed gives the same faults.' }, calls: ODDS, notifications: ODDS }, ['seed']) })
  }, async request => {
    const { seed, calls = {}, notifications = {} } = request.body
    const draws = createRandomFaults(seed)
    faults.setRandom(calls, draws)
    notificationFaults.setRandom(notifications, draws)
    return { ok: true }
  })

  app.get('/faults', { schema: schema({ tag: 'faults', summary: 'Active faults of calls and notifications', answer: 'faults, notificationFaults, and the probabilities of random faults (chaos).' }) }, async () => ({ faults: faults.waiting(), notificationFaults: notificationFaults.waiting(), chaos: { calls: faults.odds(), notifications: notificationFaults.odds() } }))

  app.delete<{ Querystring: { kind?: string } }>('/faults', { schema: schema({ tag: 'faults', summary: 'Remove all faults, including random ones; or those of one kind', query: { kind: text('Only faults of this kind, and no random ones.') } }) }, async ({ query: { kind } }) => {
    faults.clear(kind)
    notificationFaults.clear(kind)
    return { ok: true }
  })
}
