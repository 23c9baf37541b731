/** NATIVE mode 1: WeChat asks for the order of a scanned product and gets a prepay_id. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { WechatConfigError, WechatError, WechatNotificationError } from '../src/errors.ts'
import type { CheckedV2 } from '../src/pay/merchant.ts'
import type { NativeOrder } from '../src/pay/order.ts'
import { readNativeScan } from '../src/pay/v2/native.ts'
import type { NativeScan } from '../src/pay/v2/native.ts'
import { nativeAnswer } from '../src/pay/v2/native-answer.ts'
import { findAccounts } from './accounts.ts'
import type { AccountSource, WechatAccount } from './accounts.ts'
import type { routeOf } from './common.ts'
import { xml } from './xml.ts'

/** Returns the order for this product and payer, from your own records. If it throws, the payer sees "cannot be bought". */
export type ProductHandler = (scan: NativeScan, request: FastifyRequest) => NativeOrder | Promise<NativeOrder>

export interface NativeCallbackOptions {
  accounts: AccountSource
  product: ProductHandler
  route: ReturnType<typeof routeOf>
}

const XML = 'text/xml; charset=utf-8'

/** @throws WechatConfigError */
export function v2Of ({ merchant: { v2 } }: WechatAccount): CheckedV2 {
  if (!v2) throw new WechatConfigError('merchant.v2', 'is required by product: NATIVE mode 1 exists in v2 only')
  return v2
}

export async function nativeCallback (scope: FastifyInstance, { accounts, product, route }: NativeCallbackOptions): Promise<void> {
  await scope.register(xml, { parse: false })
  findAccounts(scope, accounts)

  async function prepayIdFor (scan: NativeScan, request: FastifyRequest): Promise<string> {
    const order = await product(scan, request)
    return await request.wechatAccount.pay.v2.nativePrepay({ ...order, productId: scan.productId })
  }

  scope.post('/native', route, async (request: FastifyRequest, reply: FastifyReply) => {
    if (!Buffer.isBuffer(request.body)) throw new WechatNotificationError('the body is missing')
    const { appId } = request.wechatAccount
    const merchant = v2Of(request.wechatAccount)
    const scan = readNativeScan(request.body, appId, merchant)
    reply.type(XML)
    try {
      return nativeAnswer({ prepayId: await prepayIdFor(scan, request) }, appId, merchant)
    } catch (err) {
      request.log[err instanceof WechatError && err.statusCode < 500 ? 'warn' : 'error']({ err, productId: scan.productId }, 'no order for a scanned product')
      return nativeAnswer({ problem: '暂时无法购买' }, appId, merchant)
    }
  })
}
