/** Calls of a platform on behalf of an account: logins in WeChat and in mini programs. */
import type { State } from '../../state/state.ts'
import type { Authorize } from '../browser/authorize.ts'
import type { MiniProgram } from '../mini-program/mini-program.ts'
import { refuse, withRid } from '../wire.ts'
import type { OpenPlatform } from './component.ts'
import { MINI_PROGRAM, WEB_PAGES } from './permissions.ts'
import type { Routes } from '../routes.ts'

type Query = Record<string, string | undefined>

export function onBehalf (app: Routes, state: State, { platform, oauth, mini }: { platform: OpenPlatform, oauth: Authorize, mini: MiniProgram }): void {
  const { account } = platform

  /** `permission`: the permission set that the account must have granted. */
  function problem (query: Query, grantType: string, permission: number) {
    const wrong = platform.tokenProblem(query.component_access_token)
    if (wrong) return wrong
    if (query.component_appid !== account.appId || query.appid !== state.account.appId) return refuse(40013, 'invalid appid')
    if (query.grant_type !== grantType) return refuse(40002, 'invalid grant_type')
    const authorization = platform.active(query.appid)
    if (!authorization) return refuse(61003, 'component is not authorized by this account')
    if (!authorization.permissions.includes(permission)) return refuse(61007, 'api is unauthorized to component')
  }

  function sns (path: string, grantType: string, permission: number, answer: (query: Query) => object): void {
    app.get<{ Querystring: Query }>(path, async ({ query }, reply) =>
      reply.type('text/plain').send(JSON.stringify(withRid(problem(query, grantType, permission) ?? answer(query), state, ','))))
  }

  sns('/sns/oauth2/component/access_token', 'authorization_code', WEB_PAGES, query => oauth.redeem(query.code, account.appId))
  sns('/sns/oauth2/component/refresh_token', 'refresh_token', WEB_PAGES, query => oauth.refresh(query.refresh_token, account.appId))
  sns('/sns/component/jscode2session', 'authorization_code', MINI_PROGRAM, query => mini.redeem(query.js_code))
}
