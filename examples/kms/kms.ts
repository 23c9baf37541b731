/** Simulates a KMS or HSM: only this process has the merchant's private key; it signs on request. */
import { sign } from 'node:crypto'
import { readFileSync } from 'node:fs'

const key = readFileSync(process.argv[2] as string)

process.on('message', ({ id, data }: { id: number, data: string }) => {
  process.send?.({ id, signature: sign('sha256', Buffer.from(data, 'base64'), key).toString('base64') })
})
process.send?.('ready')
