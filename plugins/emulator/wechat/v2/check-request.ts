/** Checks common to all v2 calls: XML, merchant, certificate, signature. */
import { TLSSocket } from 'node:tls'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Endpoint } from '../../../../src/pay/v2/endpoints.ts'
import { verifyV2 } from '../../../../src/pay/v2/sign.ts'
import type { SignType } from '../../../../src/pay/v2/sign.ts'
import type { Fields } from '../../../../src/pay/v2/xml.ts'
import { explainV2 } from '../../explain/v2.ts'
import { explainXml } from '../../explain/xml.ts'
import { NotXml, readRequestXml } from './request-xml.ts'
import { businessFailed, callFailed, sendV2, signed, v2Xml } from '../wire.ts'
import type { Values } from '../wire.ts'
import type { State } from '../../state/state.ts'
import type { Routes } from '../routes.ts'

/** The type is the client's, but each call's values are written here again, so that client and emulator check each other. */
export interface V2Route extends Pick<Endpoint, 'cert' | 'appid' | 'mchId' | 'signType' | 'signedReply'> {
  /** The key that signs. Default: the merchant's. */
  apiKey?: () => string
  /** False if the answer does not contain the appid. */
  includesAppid?: boolean
  /** The answer's fields are in alphabetical order. */
  isSorted?: boolean
}

/** A verified call. */
export interface V2Request {
  fields: Fields
  signType: SignType
  sub: { sub_mch_id: string, sub_appid: string }
}

/** Returns fields to sign and send, or a finished reply. */
export type V2Handler = (call: V2Request, reply: FastifyReply) => Values | FastifyReply | Promise<Values | FastifyReply>

/** WeChat's nginx answers this, not WeChat Pay. */
const NO_CERTIFICATE = '<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<center>No required SSL certificate was sent</center>\r\n</body>\r\n</html>\r\n'

export type V2Register = (path: string, handler: V2Handler, route?: V2Route) => void

export function v2Register (app: Routes, state: State): V2Register {
  const { account } = state

  function showsCertificate ({ raw: { socket } }: FastifyRequest): boolean {
    return socket instanceof TLSSocket && socket.authorized && socket.getPeerCertificate().subject?.CN === account.mchId
  }

  function subOf ({ sub_mch_id: id = '', sub_appid: appId = '' }: Fields) {
    if (id === '') return { sub_mch_id: '', sub_appid: '' }
    const sub = state.subMerchants.find(({ subMchId }) => subMchId === id)
    return sub && (appId === '' || appId === sub.subAppId) ? { sub_mch_id: id, sub_appid: appId } : undefined
  }

  return (path, handler, { cert = false, appid = 'appid', mchId = 'mch_id', signType: only, signedReply = true, apiKey = () => account.apiKey, isSorted = false, includesAppid = true } = {}) => {
    app.post(path, async (request, reply) => {
      if (cert && !showsCertificate(request)) return reply.code(400).type('text/html').send(NO_CERTIFICATE)
      let fields: Fields
      try {
        const { root, fields: found } = await readRequestXml(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0))
        fields = found
        if (root !== 'xml' && root !== 'root') request.wechatExplanation = () => explainXml('xml-root', root)
      } catch (error) {
        request.wechatExplanation = () => explainXml(error instanceof NotXml && error.isDoctype ? 'xml-doctype' : 'xml-malformed')
        return sendV2(reply, { return_code: 'FAIL', retmsg: '输入请求参数xml格式错误', retcode: 1 })
      }
      if (!/^\d{1,32}$/.test(fields[mchId] ?? '')) return sendV2(reply, callFailed(`${mchId}参数格式错误`))
      if (fields[mchId] !== account.mchId) return sendV2(reply, callFailed('商户号mch_id不存在'))
      if (appid && !state.appIds.includes(fields[appid] ?? '')) return sendV2(reply, callFailed('appid和mch_id不匹配'))
      const sub = subOf(fields)
      if (!sub) return sendV2(reply, callFailed('sub_mch_id与sub_appid不匹配'))
      const signType = only === 'MD5' ? 'MD5' : fields.sign_type || 'MD5'
      if ((signType !== 'MD5' && signType !== 'HMAC-SHA256') || (only && signType !== only) || !verifyV2(fields, apiKey(), signType)) {
        request.wechatExplanation = () => explainV2({ about: 'v2', fields, signType: signType === 'HMAC-SHA256' ? signType : 'MD5', account, apiKey: apiKey() })
        return sendV2(reply, callFailed('签名错误，请检查后再试'))
      }
      if (!/^.{1,32}$/.test(fields.nonce_str ?? '')) return sendV2(reply, callFailed('nonce_str参数长度有误'))
      const fault = request.wechatFault?.code
      const answer = fault ? businessFailed(fault, '系统超时') : await handler({ fields, signType, sub }, reply)
      if (isReply(answer)) return answer
      if (answer.return_code === 'FAIL') return sendV2(reply, answer)
      const own = { ...(includesAppid && appid === 'appid' && { appid: fields.appid as string }), ...answer }
      const values = signedReply ? signed({ state, signType, apiKey: apiKey(), includesAppid, ...(sub.sub_mch_id && { sub }) }, own) : undefined
      return values
        ? sendV2(reply, isSorted ? Object.fromEntries(Object.entries(values).sort(([one], [other]) => one < other ? -1 : 1)) : values)
        : reply.type('text/plain').send(v2Xml({ return_code: 'SUCCESS', return_msg: 'OK', ...answer }))
    })
  }
}

const isReply = (answer: Values | FastifyReply): answer is FastifyReply => 'raw' in answer && 'hijack' in answer
