/** POST with undici, which is loaded by the first call, because importing it takes longer than the emulator's start. */
import type { Dispatcher } from 'undici'

export interface Post { headers: Record<string, string>, body: string, signal: AbortSignal }

export async function post (url: string, { headers, body, signal }: Post): Promise<Dispatcher.ResponseData> {
  const { request } = await import('undici')
  return await request(url, { method: 'POST', headers, body, signal })
}
