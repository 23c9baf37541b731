/** Stands for a KMS or HSM: a process that alone holds the merchant's private key, and hands out signatures. */
import { sign } from 'node:crypto'
import { readFileSync } from 'node:fs'

const key = readFileSync(process.argv[2] as string)

process.on('message', ({ id, data }: { id: number, data: string }) => {
  process.send?.({ id, signature: sign('sha256', Buffer.from(data, 'base64'), key).toString('base64') })
})
process.send?.('ready')
