/** Control routes for the third-party platform: its pushes, and authorizations without a browser. */
import type { FastifyReply } from 'fastify'
import type { ExpireOptions, OpenPlatform } from '../wechat/open-platform/component.ts'
import { ALL_PERMISSIONS } from '../wechat/open-platform/permissions.ts'
import { object, optional, schema, text } from './schemas.ts'
import type { Routes } from '../wechat/routes.ts'

export interface OpenPlatformParts { platform: OpenPlatform | undefined }

const yes = (description: string) => ({ type: 'boolean', description })
const PERMISSIONS = { type: 'array', items: { type: 'integer', enum: ALL_PERMISSIONS }, description: 'The granted funcscope_category ids. Default: all that the emulator has.' }
const TAG = { tag: 'platform', refusals: [404] } as const

export function openPlatformRoutes (app: Routes, { platform: existing }: OpenPlatformParts, ownAppId: string): void {
  const missing = (reply: FastifyReply, message: string) => reply.code(404).send({ code: 'NOT_FOUND', message })
  // Without a platform, each route answers how to enable it.
  const route = <B>(answer: (platform: OpenPlatform, body: B, reply: FastifyReply) => unknown) => async ({ body }: { body: unknown }, reply: FastifyReply) =>
    existing ? await answer(existing, body as B, reply) : missing(reply, 'this emulator has no third-party platform: start it with --component, or createEmulator({ component: true })')
  const noAccount = (reply: FastifyReply, appId: string) => missing(reply, `no account has the appId ${appId}`)

  app.get('/component', { schema: schema({ ...TAG, summary: 'The third-party platform: URL, ticket, token, and authorizations', answer: 'The platform.' }) }, route(platform => platform.summary()))

  app.post('/component/url', {
    schema: schema({ ...TAG, summary: 'Set the URL for tickets and authorization events, and push a ticket', body: object({ url: text('An absolute http(s) URL.') }, ['url']), answer: 'The platform.' })
  }, route<{ url: string }>((platform, { url }, reply) => {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) return reply.code(400).send({ code: 'PARAM_ERROR', message: 'url must be an http(s) URL' })
    platform.setUrl(url)
    return platform.summary()
  }))

  app.post('/component/ticket', { schema: schema({ ...TAG, summary: 'Push a new component_verify_ticket now', answer: 'The delivery.', refusals: [404, 409] }) }, route(async (platform, _body, reply) => {
    if (platform.pushes.url() === '') return reply.code(409).send({ code: 'NO_URL', message: 'no URL to push to: set it with setComponentUrl, --component-url or POST /_emulator/component/url' })
    return await platform.pushes.pushTicket()
  }))

  app.post('/component/authorize', {
    schema: schema({
      ...TAG,
      summary: 'Authorize the platform as the account\'s owner; repeat to change the permissions',
      body: optional(object({ app_id: text('The account\'s appId. Default: this one.'), permissions: PERMISSIONS, new_refresh_token: yes('Replace the refresh token of an account that has authorized before.') })),
      answer: 'auth_code and expires_in, as added to redirect_uri.'
    })
  }, route<{ app_id?: string, permissions?: number[], new_refresh_token?: boolean } | null>((platform, body, reply) => {
    const { app_id: appId = ownAppId, permissions, new_refresh_token: newRefreshToken = false } = body ?? {}
    if (!platform.shopOf(appId)) return noAccount(reply, appId)
    return platform.authorize(appId, platform.createPreAuthCode().pre_auth_code, { newRefreshToken, ...(permissions && { permissions }) })
  }))

  app.post('/component/unauthorize', {
    schema: schema({ ...TAG, summary: 'Withdraw the authorization as the account\'s owner', body: optional(object({ app_id: text('The account\'s appId. Default: this one.') })), answer: 'The platform.', refusals: [404, 409] })
  }, route<{ app_id?: string } | null>((platform, body, reply) => {
    const { app_id: appId = ownAppId } = body ?? {}
    if (!platform.shopOf(appId)) return noAccount(reply, appId)
    return platform.unauthorize(appId) ? platform.summary() : reply.code(409).send({ code: 'INVALID_STATE', message: `${appId} has not authorized the platform` })
  }))

  app.post('/component/expire', {
    schema: schema({
      ...TAG,
      summary: 'Expire tickets and tokens, and replace refresh tokens',
      body: object({ tickets: yes('Every component_verify_ticket.'), componentTokens: yes('Every component_access_token.'), authorizerTokens: yes('Every authorizer_access_token.'), refreshTokens: yes('Every authorizer_refresh_token: the old ones become invalid; api_get_authorizer_list returns the new ones.') }),
      answer: 'The platform.'
    })
  }, route<ExpireOptions>((platform, which) => {
    platform.expire(which)
    return platform.summary()
  }))
}
