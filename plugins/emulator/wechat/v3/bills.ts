/** /v3/bill: a call returns the download URL and hash; the download itself is not signed. */
import { createCipheriv, createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { isBillReady, fundFlowText, tradeBillText } from '../v2/bills.ts'
import { chinaTime } from '../../state/state.ts'
import { isOurs } from './area.ts'
import type { V3Area } from './area.ts'
import type { V3Call } from './check-request.ts'
import { refuse } from './wire.ts'

/** `sealed`: encrypts with the merchant's certificate. */
export function v3Bills ({ route, state, storeFile, readFile }: V3Area, encrypt: (text: string) => string): void {
  function offer ({ request, query }: V3Call, text: (day: string) => string | undefined) {
    const { bill_date: date = '', tar_type: type } = query
    const day = date.replaceAll('-', '')
    if (!/^\d{4}-\d\d-\d\d$/.test(date) || day >= chinaTime(state.now()).slice(0, 8)) return refuse(400, 'PARAM_ERROR', '账单日期错误', 268435464)
    if (!isBillReady(state, day)) return refuse(400, 'STATEMENT_CREATING', '账单生成中，请稍后再试', 268435461)
    const bill = text(day)
    if (bill === undefined) return refuse(400, 'NO_STATEMENT_EXIST', '请求的账单文件不存在', 268435461)
    const token = storeFile(type === 'GZIP' ? gzipSync(bill) : bill)
    return {
      hash_type: 'SHA1',
      // The hash of the uncompressed text, even for GZIP.
      hash_value: createHash('sha1').update(bill).digest('hex'),
      download_url: `${request.protocol}://${request.host}${request.server.prefix}/v3/billdownload/file?token=${token}`
    }
  }

  route('GET', '/v3/bill/tradebill', call => {
    const { bill_type: type = 'ALL' } = call.query
    return ['ALL', 'SUCCESS', 'REFUND'].includes(type) ? offer(call, day => tradeBillText(state, day, type)) : refuse(400, 'PARAM_ERROR', '账单类型错误', 268435464)
  })

  route('GET', '/v3/bill/fundflowbill', call => {
    const { account_type: account = 'BASIC' } = call.query
    return ['BASIC', 'OPERATION', 'FEES'].includes(account) ? offer(call, day => account === 'BASIC' ? fundFlowText(state, day) : undefined) : refuse(400, 'PARAM_ERROR', '账户类型错误', 268435464)
  })

  // Another merchant's bill is encrypted: each file has its own key, which is encrypted for the caller.
  route('GET', '/v3/bill/sub-merchant-fundflowbill', ({ query, request }) => {
    const { bill_date: date = '', sub_mchid: sub, tar_type: type, account_type: account, algorithm } = query
    const day = date.replaceAll('-', '')
    if (algorithm !== 'AEAD_AES_256_GCM') return refuse(400, 'PARAM_ERROR', '加密算法错误', 268435464)
    if (!isOurs(state, sub)) return refuse(403, 'NO_AUTH', '无权限')
    if (!/^\d{4}-\d\d-\d\d$/.test(date) || day >= chinaTime(state.now()).slice(0, 8)) return refuse(400, 'PARAM_ERROR', '账单日期错误', 268435464)
    if (!isBillReady(state, day)) return refuse(400, 'STATEMENT_CREATING', '账单生成中，请稍后再试', 268435461)
    const bill = account === 'BASIC' ? fundFlowText(state, day, sub) : undefined
    if (bill === undefined) return refuse(400, 'NO_STATEMENT_EXIST', '请求的账单文件不存在', 268435461)
    const [key, nonce] = [state.random.word(32), state.random.word(12)]
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    const bytes = Buffer.concat([cipher.update(type === 'GZIP' ? gzipSync(bill) : bill), cipher.final(), cipher.getAuthTag()])
    return {
      download_bill_count: 1,
      download_bill_list: [{ bill_sequence: 1, download_url: `${request.protocol}://${request.host}${request.server.prefix}/v3/billdownload/file?token=${storeFile(bytes)}`, encrypt_key: encrypt(key), hash_type: 'SHA1', hash_value: createHash('sha1').update(bill).digest('hex'), nonce }]
    }
  }, { query: ['sub_mchid', 'bill_date', 'algorithm', 'account_type'] })

  route('GET', '/v3/billdownload/file', ({ query }, reply) => {
    const found = readFile(query.token)
    return found ? reply.type('application/octet-stream').send(found) : refuse(404, 'NOT_FOUND', '文件不存在', 268435461)
  })
}
