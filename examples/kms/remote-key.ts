/** A signer for `merchant.v3.privateKey` instead of a PEM: requests each signature from the KMS. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { RemoteKey } from '../../src/index.ts'

/** @param keyFile apiclient_key.pem, read only by the KMS process */
export async function startRemoteKey (keyFile: string, serialNo: string): Promise<RemoteKey & { close (): void }> {
  const kms = fork(fileURLToPath(new URL('kms.ts', import.meta.url)), [keyFile], { execArgv: ['--import', 'tsx'] })
  await once(kms, 'message')
  const waiting = new Map<number, { resolve (signature: Uint8Array): void, reject (error: Error): void }>()
  let count = 0
  kms.on('message', ({ id, signature }: { id: number, signature: string }) => {
    waiting.get(id)?.resolve(Buffer.from(signature, 'base64'))
    waiting.delete(id)
  })
  kms.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the KMS process has exited'))
    waiting.clear()
  })
  return {
    serialNo,
    sign: async data => await new Promise((resolve, reject) => {
      const id = count++
      waiting.set(id, { resolve, reject })
      kms.send({ id, data: Buffer.from(data).toString('base64') }, error => { if (error) reject(error) })
    }),
    close: () => kms.disconnect()
  }
}
