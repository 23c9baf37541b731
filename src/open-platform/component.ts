/** The platform's (component's) own API: component_access_token, and calls with it. */
import { hkdfSync } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { createApi } from '../official-account/api.ts'
import type { ApiCall, JsonObject } from '../official-account/api.ts'
import type { AccountComponent } from '../official-account/oauth.ts'
import { createCredential } from '../official-account/credential.ts'
import type { CredentialStatus } from '../official-account/credential.ts'
import { withLiveToken } from '../official-account/live-token.ts'
import { createHttp } from '../http/http.ts'
import type { HttpOptions } from '../http/http.ts'
import type { Log } from '../log.ts'
import { accountKey } from '../store/key.ts'
import type { Store } from '../store/store.ts'
import type { VerifyTicket } from './ticket.ts'

export interface ComponentParts {
  appId: string
  appSecret: string
  /** Base URL of api.weixin.qq.com. */
  api: string
  http: HttpOptions | undefined
  ticket: VerifyTicket
  store: Store
  clock: Clock
  log: Log
}

export interface Component extends AccountComponent {
  token (): Promise<string>
  /** Any call with the component_access_token. @throws WechatApiError, WechatNetworkError, WechatReplyError */
  call (call: ApiCall): Promise<JsonObject>
  /** Asks WeChat to start pushing tickets; needed once for a new platform. */
  startPushTicket (): Promise<void>
  status (): CredentialStatus
  disconnect (): Promise<void>
}

export function createComponent ({ appId, appSecret, api: base, http: httpOptions, ticket, store, clock, log }: ComponentParts): Component {
  const http = createHttp(httpOptions)
  const api = createApi(http, base)

  const token = createCredential({
    name: 'component_access_token',
    key: accountKey(appId, 'component_access_token'),
    secret: appSecret,
    store,
    clock,
    log,
    async issue () {
      const component_verify_ticket = await ticket.get()
      const answer = await api.json({
        path: '/cgi-bin/component/api_component_token',
        json: { component_appid: appId, component_appsecret: appSecret, component_verify_ticket },
        secrets: [appSecret, component_verify_ticket],
        repeatable: true
      })
      return { value: answer.component_access_token as string, expiresIn: answer.expires_in }
    }
  })

  const call = (call: ApiCall) => withLiveToken(token, used => api.json({ ...call, query: { ...call.query, component_access_token: used } }))

  return {
    appId,
    token: token.get,
    call,
    get: async (path, query) => await call({ path, query: { ...query, component_appid: appId }, repeatable: false }),
    key: use => new Uint8Array(hkdfSync('sha256', appSecret, appId, `fastify-wechat-pay ${use}`, 32)),
    async startPushTicket () {
      await api.json({ path: '/cgi-bin/component/api_start_push_ticket', json: { component_appid: appId, component_secret: appSecret }, secrets: [appSecret], repeatable: true })
    },
    status: token.status,
    disconnect: http.disconnect
  }
}
