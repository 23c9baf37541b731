/** WeChat for bench/reconcile.ts: answers order queries, signed, after a delay. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { signV2 } from '../src/pay/v2/sign.ts'
import { writeXml } from '../src/pay/v2/write-xml.ts'
import { readXml } from '../src/pay/v2/xml.ts'
import { ACCOUNT } from '../test/helpers/account.ts'

const { delay } = JSON.parse(process.argv[2]!) as { delay: number }
const { appId, merchant: { mchId, v2: { apiKey } } } = ACCOUNT

const server = createServer(async (request, reply) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const { out_trade_no: number = '' } = readXml(Buffer.concat(chunks))
  const fields = { return_code: 'SUCCESS', result_code: 'SUCCESS', appid: appId, mch_id: mchId, nonce_str: 'n', out_trade_no: number, trade_state: 'NOTPAY' }
  setTimeout(() => { reply.end(writeXml({ ...fields, sign: signV2(fields, apiKey, 'MD5') })) }, delay)
}).listen(0, '127.0.0.1', () => { process.send!({ port: (server.address() as AddressInfo).port }) })
