/** /v3/bill/sub-merchant-fundflowbill: a file that only the provider can open. One piece, as for all but the largest. */
import { constants, createCipheriv, createHash, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { V3Keys } from '../../keys/v3-keys.ts'
import { chinaTime } from '../../state/world.ts'
import type { World } from '../../state/world.ts'
import { billIsMade, fundFlowText } from '../v2/bills.ts'
import type { V3Gate } from './gate.ts'
import { refuse } from './wire.ts'

export function v3SealedBill (route: V3Gate, world: World, keys: V3Keys): void {
  const files = new Map<string, Buffer>()

  route('GET', '/v3/bill/sub-merchant-fundflowbill', ({ request, query }) => {
    const { sub_mchid: sub, bill_date: date = '', account_type: account = '', algorithm, tar_type: type } = query
    const day = date.replaceAll('-', '')
    if (!world.subMerchants.some(({ subMchId }) => subMchId === sub)) return refuse(403, 'NO_AUTH', '商户号和子商户号没有绑定关系', 268435461)
    if (algorithm !== 'AEAD_AES_256_GCM') return refuse(400, 'PARAM_ERROR', '加密算法错误', 268435464)
    if (!['BASIC', 'OPERATION', 'FEES', 'DEPOSIT'].includes(account)) return refuse(400, 'PARAM_ERROR', '账户类型错误', 268435464)
    if (!/^\d{4}-\d\d-\d\d$/.test(date) || day >= chinaTime(world.now()).slice(0, 8)) return refuse(400, 'PARAM_ERROR', '账单日期错误', 268435464)
    if (!billIsMade(world, day)) return refuse(400, 'STATEMENT_CREATING', '账单生成中，请稍后再试', 268435461)
    const text = account === 'BASIC' ? fundFlowText(world, day) : undefined
    if (text === undefined) return refuse(400, 'NO_STATEMENT_EXIST', '请求的账单文件不存在', 268435461)
    // 32 characters, as keys of WeChat Pay's are texts.
    const key = randomBytes(16).toString('hex')
    const nonce = world.random.hex(6)
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    const plain = type === 'GZIP' ? gzipSync(text) : Buffer.from(text)
    const token = world.random.hex(24)
    files.set(token, Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]))
    return {
      download_bill_count: 1,
      download_bill_list: [{
        bill_sequence: 1,
        download_url: `${request.protocol}://${request.host}${request.server.prefix}/v3/bill/downloadurl?token=${token}`,
        encrypt_key: publicEncrypt({ key: createPublicKey(keys.merchant.key), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, Buffer.from(key)).toString('base64'),
        hash_type: 'SHA1',
        hash_value: createHash('sha1').update(text).digest('hex'),
        nonce
      }]
    }
  })

  route('GET', '/v3/bill/downloadurl', ({ query }, reply) => {
    const file = files.get(query.token ?? '')
    return file ? reply.type('application/octet-stream').send(file) : refuse(404, 'NOT_FOUND', '文件不存在', 268435461)
  })
}
