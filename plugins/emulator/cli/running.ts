/** Finds a running emulator. */
import { request } from 'undici'
import { askHealth, readLock } from '../server/lock.ts'
import type { Settings } from './settings.ts'

/** One account's interface of a running emulator. */
export interface Running {
  /** `http://127.0.0.1:8788`, and the account's path. */
  base: string
  ask<T> (method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<T>
}

/** @throws Error if an address was given and no emulator is there */
export async function findRunning ({ url, account, options: { data, port = 0, host = '127.0.0.1' } }: Settings): Promise<Running | undefined> {
  const found = url === undefined ? await discover(data, port, host) : addressOf(url)
  if (found === undefined) return undefined
  const base = account ? `${new URL(found).origin}/${account}` : found
  if (base !== found && await isEmulator(new URL(found).origin) && !await isEmulator(base)) throw new Error(`the emulator at ${new URL(found).origin} has no account ${account}`)
  if (url !== undefined && !await isEmulator(base)) throw new Error(`no emulator answers at ${base}`)
  return { base, ask: (method, path, body) => ask(base, method, path, body) }
}

async function discover (data: string | undefined, port: number, host: string): Promise<string | undefined> {
  const lock = data === undefined ? undefined : readLock(data)
  if (lock?.origin && await askHealth(lock.origin) === lock.id) return lock.origin
  const here = `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host}:${port}`
  // Ignore an emulator with a different data folder.
  return data === undefined && port !== 0 && await isEmulator(here) ? here : undefined
}

async function isEmulator (origin: string): Promise<boolean> {
  const id = await askHealth(origin)
  return id !== undefined && id !== 'silent'
}

/** Including an account's path, if there is one. */
function addressOf (url: string): string {
  const full = /^https?:\/\//.test(url) ? url : `http://${url}`
  if (!URL.canParse(full)) throw new Error('--url must be a URL such as http://127.0.0.1:8788')
  return new URL(full).origin + new URL(full).pathname.replace(/\/+$/, '')
}

async function ask<T> (base: string, method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<T> {
  const reply = await request(`${base}/_emulator${path}`, { method, ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) })
  const text = await reply.body.text()
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw new Error(`${base} is not an emulator: HTTP ${reply.statusCode}`)
  }
  if (reply.statusCode !== 200) throw new Error((answer as { message?: string }).message ?? `HTTP ${reply.statusCode}`)
  return answer as T
}
