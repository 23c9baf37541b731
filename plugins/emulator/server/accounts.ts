/** Several accounts on one origin: calls are routed by the ids they contain, as at WeChat. */
import type { IncomingMessage } from 'node:http'
import type { State } from '../state/state.ts'

export interface Tenant {
  /** '' for the first account; the others are also reached under `/<name>`. */
  name: string
  state: State
}

/** @throws Error if two accounts cannot be distinguished */
export function checkTenants (tenants: readonly Tenant[]): void {
  for (const [index, { name, state: { account } }] of tenants.entries()) {
    if (index > 0 && (typeof name !== 'string' || !/^[\w-]+$/.test(name))) throw new Error('an account\'s name must consist of letters, digits, _ and -')
    for (const other of tenants.slice(0, index)) {
      if (other.name === name) throw new Error(`two accounts are named ${name}`)
      if (other.state.account.appId === account.appId) throw new Error(`two accounts have the appId ${account.appId}`)
      if (other.state.account.mchId === account.mchId) throw new Error(`two accounts have the mchId ${account.mchId}`)
    }
  }
}

export function createTenantRouter (tenants: readonly Tenant[]) {
  const isAlone = tenants.length === 1
  const chosen = new WeakMap<IncomingMessage, string>()

  /** The account of the first known id; a call may also contain ids of a platform. */
  const by = (text: string, pattern: RegExp, has: (tenant: Tenant, id: string) => boolean) => {
    for (const [, id = ''] of text.matchAll(pattern)) {
      const found = tenants.find(tenant => has(tenant, id))
      if (found) return found
    }
  }

  /** '' (the first account) if no known id is found. */
  function nameIn (text: string): string {
    const tenant = by(text, /mch_?id\b["'=>:\s]+(?:<!\[CDATA\[)?(\d+)/gi, ({ state }, id) => state.account.mchId === id) ??
      by(text, /app_?id\b["'=>:\s]+(?:<!\[CDATA\[)?(wx\w+)/gi, ({ state }, id) => state.account.appId === id) ??
      by(text, /access_token=([\w-]+)/g, ({ state: { memory } }, id) => memory.table('tokens').has(id) || memory.table('visitorTokens').has(id)) ??
      by(text, /_emulator\/transfer\/(\d+)/g, ({ state: { memory } }, id) => [...memory.table<{ transfer_bill_no: string }>('transfers').values()].some(({ transfer_bill_no: known }) => known === id)) ??
      by(text, /(?:prepay_?id["'=>:\s]+(?:prepay_id=)?|cashier\/)(\w+)/gi, ({ state }, id) => state.prepays.has(id))
    return tenant?.name ?? ''
  }

  const isNamed = (url: string) => tenants.some(({ name }) => name !== '' && (url === `/${name}` || url.startsWith(`/${name}/`)))
  const headOf = ({ url = '', headers }: IncomingMessage) => `${url} ${headers.authorization ?? ''}`

  return {
    /** For Fastify's `rewriteUrl`: adds the account's path. */
    rewriteUrl (request: IncomingMessage): string {
      const { url = '/' } = request
      if (isAlone || isNamed(url)) return url
      const name = chosen.get(request) ?? nameIn(headOf(request))
      return name === '' ? url : `/${name}${url}`
    },
    /** Reads the first chunk of a body, puts it back, and continues with `goOn`. */
    peek (request: IncomingMessage, next: () => void): void {
      const { url = '', headers } = request
      const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
      if (isAlone || !hasBody || isNamed(url) || nameIn(headOf(request)) !== '') return next()
      request.once('readable', () => {
        const start = request.read() as Buffer | null
        if (start) {
          request.unshift(start)
          chosen.set(request, nameIn(`${headOf(request)} ${start.toString()}`))
        }
        next()
      })
    }
  }
}
