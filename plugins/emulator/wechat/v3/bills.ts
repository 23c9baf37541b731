/** /v3/bill: first where it lies and what it hashes to, then the file, which is not signed. */
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { billIsMade, fundFlowText, tradeBillText } from '../v2/bills.ts'
import { chinaTime } from '../../state/world.ts'
import type { World } from '../../state/world.ts'
import type { V3Call, V3Gate } from './gate.ts'
import { refuse } from './wire.ts'

export function v3Bills (route: V3Gate, world: World): void {
  const files = new Map<string, { text: string, gzip: boolean }>()

  function offer ({ request, query }: V3Call, text: (day: string) => string | undefined) {
    const { bill_date: date = '', tar_type: type } = query
    const day = date.replaceAll('-', '')
    if (!/^\d{4}-\d\d-\d\d$/.test(date) || day >= chinaTime(world.now()).slice(0, 8)) return refuse(400, 'PARAM_ERROR', '账单日期错误', 268435464)
    if (!billIsMade(world, day)) return refuse(400, 'STATEMENT_CREATING', '账单生成中，请稍后再试', 268435461)
    const bill = text(day)
    if (bill === undefined) return refuse(400, 'NO_STATEMENT_EXIST', '请求的账单文件不存在', 268435461)
    const token = world.random.hex(24)
    files.set(token, { text: bill, gzip: type === 'GZIP' })
    return {
      hash_type: 'SHA1',
      // Of the text, packed or not.
      hash_value: createHash('sha1').update(bill).digest('hex'),
      download_url: `${request.protocol}://${request.host}${request.server.prefix}/v3/billdownload/file?token=${token}`
    }
  }

  route('GET', '/v3/bill/tradebill', call => {
    const { bill_type: type = 'ALL' } = call.query
    return ['ALL', 'SUCCESS', 'REFUND'].includes(type) ? offer(call, day => tradeBillText(world, day, type)) : refuse(400, 'PARAM_ERROR', '账单类型错误', 268435464)
  })

  route('GET', '/v3/bill/fundflowbill', call => {
    const { account_type: account = 'BASIC' } = call.query
    return ['BASIC', 'OPERATION', 'FEES'].includes(account) ? offer(call, day => account === 'BASIC' ? fundFlowText(world, day) : undefined) : refuse(400, 'PARAM_ERROR', '账户类型错误', 268435464)
  })

  route('GET', '/v3/billdownload/file', ({ query }, reply) => {
    const file = files.get(query.token ?? '')
    if (!file) return refuse(404, 'NOT_FOUND', '文件不存在', 268435461)
    return reply.type('application/octet-stream').send(file.gzip ? gzipSync(file.text) : Buffer.from(file.text))
  })
}
