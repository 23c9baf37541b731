/** Signed v3 calls to an emulator without this package's client, to see the raw answers. */
import type { Test } from 'tap'
import { checkMerchant } from '../../src/pay/merchant.ts'
import { authorization } from '../../src/pay/v3/sign.ts'
import type { Signer } from '../../src/pay/v3/sign.ts'
import { testEmulator } from './account.ts'

export type Json = Record<string, any>

export async function v3Caller (t: Test, options: Parameters<typeof testEmulator>[1] = {}) {
  const emulator = await testEmulator(t, options)
  const { mchId, serialNo, privateKey } = checkMerchant(emulator.bothConfig.merchant, emulator.origin).v3!
  const signer: Signer = { mchId, serialNo, privateKey }
  async function call (method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH', url: string, body?: unknown, headers: Record<string, string> = {}) {
    const payload = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
    const reply = await emulator.app.inject({ method, url, headers: { authorization: await authorization(method as 'GET', url, payload, signer), ...(payload && { 'content-type': 'application/json' }), ...headers }, ...(payload && { payload }) })
    return { status: reply.statusCode, headers: reply.headers, body: reply.body, json: (/^[[{]/.test(reply.body) ? reply.json() : undefined) as Json }
  }
  return { emulator, call, signer, appId: emulator.account.appId, mchId }
}

export type V3Caller = Awaited<ReturnType<typeof v3Caller>>
