/** The answer to WeChat about a scanned product. WeChat Pay v2 documentation, "Native payment, mode 1". */
import { nonce } from '../../nonce.ts'
import type { CheckedV2 } from '../merchant.ts'
import { signV2 } from './sign.ts'
import { writeXml } from './write-xml.ts'
import type { Fields } from './xml.ts'

/** The signed answer: a prepay_id, or a message for the payer. */
export function nativeAnswer (outcome: { prepayId: string } | { problem: string }, appId: string, { mchId, apiKey, signType }: CheckedV2): string {
  const fields: Fields = {
    return_code: 'SUCCESS',
    appid: appId,
    mch_id: mchId,
    nonce_str: nonce(),
    ...('prepayId' in outcome
      ? { prepay_id: outcome.prepayId, result_code: 'SUCCESS' }
      : { prepay_id: '', result_code: 'FAIL', err_code_des: outcome.problem })
  }
  return writeXml({ ...fields, sign: signV2(fields, apiKey, signType) })
}
