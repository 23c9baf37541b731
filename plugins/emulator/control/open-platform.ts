/** The third-party platform here: its pushes, and what the owners of accounts do without a browser. */
import type { FastifyReply } from 'fastify'
import type { ExpireOptions, OpenPlatform } from '../wechat/open-platform/component.ts'
import { ALL_PERMISSIONS } from '../wechat/open-platform/permissions.ts'
import { object, optional, schema, text } from './schemas.ts'
import type { Routes } from '../wechat/routes.ts'

export interface OpenPlatformParts { platform: OpenPlatform | undefined }

const yes = (description: string) => ({ type: 'boolean', description })
const PERMISSIONS = { type: 'array', items: { type: 'integer', enum: ALL_PERMISSIONS }, description: 'funcscope_category ids that are granted. Default: all of the emulator\'s.' }
const TAG = { tag: 'platform', refusals: [404] } as const

export function openPlatformRoutes (app: Routes, { platform: existing }: OpenPlatformParts, ownAppId: string): void {
  const missing = (reply: FastifyReply, message: string) => reply.code(404).send({ code: 'NOT_FOUND', message })
  // Without one, each route says how to get one.
  const route = <B>(answer: (platform: OpenPlatform, body: B, reply: FastifyReply) => unknown) => async ({ body }: { body: unknown }, reply: FastifyReply) =>
    existing ? await answer(existing, body as B, reply) : missing(reply, 'this emulator has no third-party platform: start it with --component, or createEmulator({ component: true })')
  const noAccount = (reply: FastifyReply, appId: string) => missing(reply, `no account here has the appId ${appId}`)

  app.get('/component', { schema: schema({ ...TAG, summary: 'The third-party platform: its URL, ticket and tokens, and who has authorized it', answer: 'How it stands.' }) }, route(platform => platform.summary()))

  app.post('/component/url', {
    schema: schema({ ...TAG, summary: 'Where tickets and authorization events go; a ticket is pushed at once', body: object({ url: text('An absolute http(s) address.') }, ['url']), answer: 'How it stands.' })
  }, route<{ url: string }>((platform, { url }, reply) => {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) return reply.code(400).send({ code: 'PARAM_ERROR', message: 'url must be an http(s) address' })
    platform.setUrl(url)
    return platform.summary()
  }))

  app.post('/component/ticket', { schema: schema({ ...TAG, summary: 'Push a new component_verify_ticket now', answer: 'The delivery.', refusals: [404, 409] }) }, route(async (platform, _body, reply) => {
    if (platform.pushes.url() === '') return reply.code(409).send({ code: 'NO_URL', message: 'there is no URL to push to: set it with setComponentUrl, --component-url or POST /_emulator/component/url' })
    return await platform.pushes.pushTicket()
  }))

  app.post('/component/authorize', {
    schema: schema({
      ...TAG,
      summary: 'The owner of an account authorizes the platform, without a browser; again: changes what is granted',
      body: optional(object({ app_id: text('Of the account. Default: this one.'), permissions: PERMISSIONS, new_refresh_token: yes('An account that has authorized before gets a new refresh token, and the old one dies.') })),
      answer: 'auth_code and expires_in, as they come back in redirect_uri.'
    })
  }, route<{ app_id?: string, permissions?: number[], new_refresh_token?: boolean } | null>((platform, body, reply) => {
    const { app_id: appId = ownAppId, permissions, new_refresh_token: newRefreshToken = false } = body ?? {}
    if (!platform.shopOf(appId)) return noAccount(reply, appId)
    return platform.authorize(appId, platform.createPreAuthCode().pre_auth_code, { newRefreshToken, ...(permissions && { permissions }) })
  }))

  app.post('/component/unauthorize', {
    schema: schema({ ...TAG, summary: 'The owner of an account withdraws the authorization', body: optional(object({ app_id: text('Of the account. Default: this one.') })), answer: 'How it stands.', refusals: [404, 409] })
  }, route<{ app_id?: string } | null>((platform, body, reply) => {
    const { app_id: appId = ownAppId } = body ?? {}
    if (!platform.shopOf(appId)) return noAccount(reply, appId)
    return platform.unauthorize(appId) ? platform.summary() : reply.code(409).send({ code: 'INVALID_STATE', message: `${appId} has not authorized the platform` })
  }))

  app.post('/component/expire', {
    schema: schema({
      ...TAG,
      summary: 'Tickets and tokens expire now; refresh tokens are changed',
      body: object({ tickets: yes('Every component_verify_ticket.'), componentTokens: yes('Every component_access_token.'), authorizerTokens: yes('Every authorizer_access_token.'), refreshTokens: yes('Every authorizer_refresh_token: the known ones are dead, api_get_authorizer_list has the new ones.') }),
      answer: 'How it stands.'
    })
  }, route<ExpireOptions>((platform, which) => {
    platform.expire(which)
    return platform.summary()
  }))
}
