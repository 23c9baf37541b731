/** The dashboard's search finds orders by any field, including changes since the last search. */
import t from 'tap'
import { createOrderSearch } from '../../plugins/emulator/control/order-search.ts'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import type { Order } from '../../plugins/emulator/server/emulator.ts'
import { createPay } from '../../src/index.ts'

const OPENID = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o'

t.test('changes of an order are found immediately', async t => {
  const emulator = await createEmulator({ refundDelay: 1e6 })
  t.teardown(() => emulator.close())
  const { appId, merchant, endpoints, http } = emulator.config
  const pay = createPay({ appId, merchant: { mchId: merchant.mchId, v2: merchant.v2, notifyUrl: 'http://127.0.0.1:1/notify' }, endpoints, http })
  t.teardown(() => pay.disconnect())
  const find = async (search: string, state = '') =>
    (await emulator.app.inject(`/_emulator/records/orders?search=${encodeURIComponent(search)}&state=${state}`)).json<{ total: number, states: Record<string, number>, items: Order[] }>()
  const numbers = async (search: string, state = '') => (await find(search, state)).items.map(({ out_trade_no: number }) => number)

  for (const [outTradeNo, description] of [['FIND-1', '龙井茶 Tea'], ['FIND-2', 'Coffee'], ['FIND-3', 'Coffee and tea']] as const) {
    await pay.jsapi({ outTradeNo, description, amount: 3456, openid: OPENID })
  }
  t.same(await numbers(''), ['FIND-3', 'FIND-2', 'FIND-1'], 'newest first')
  t.same(await numbers('TEA'), ['FIND-3', 'FIND-1'], 'in either case')
  t.same(await numbers('龙井'), ['FIND-1'])
  t.same(await numbers('井龙'), [])
  t.same(await numbers('tea coffee'), ['FIND-3'], 'all words, in whatever order')
  t.same(await numbers('3456 find-2'), ['FIND-2'], 'a number, too')
  t.same(await numbers('paid'), [])
  t.same(await find('coffee', 'NOTPAY'), await find('coffee'))
  t.same((await find('tea')).states, { NOTPAY: 2 })

  const { transaction_id: id } = await emulator.pay('FIND-1')
  t.same(await numbers(id), ['FIND-1'], 'the transaction_id assigned when it was paid')
  t.same(await numbers('paid'), ['FIND-1'])
  t.match(await find(''), { total: 3, states: { NOTPAY: 2, SUCCESS: 1 } })
  t.same(await numbers('', 'SUCCESS'), ['FIND-1'])
  t.same(await numbers('龙井', 'NOTPAY'), [])

  const part = await emulator.refundInConsole('FIND-1', 1000)
  t.same((await find('')).states, { NOTPAY: 2, PARTLY_REFUNDED: 1 })
  const rest = await emulator.refundInConsole('FIND-1')
  t.same((await find('')).states, { NOTPAY: 2, REFUND: 1 })
  await emulator.settleRefund(rest.out_refund_no, 'REFUNDCLOSE')
  t.same((await find('tea')).states, { NOTPAY: 1, PARTLY_REFUNDED: 1 }, 'a failed refund does not count as refunded')
  await emulator.settleRefund(part.out_refund_no)
  t.same(await numbers('refund', 'PARTLY_REFUNDED'), ['FIND-1'])

  await pay.close('FIND-2')
  t.same(await numbers('', 'CLOSED'), ['FIND-2'])
  emulator.advance(8 * 86_400_000)
  await pay.query({ outTradeNo: 'FIND-3' })
  t.same(await numbers('expired'), ['FIND-3'])

  const code = await emulator.authCode('asks')
  await pay.v2!.post('/pay/micropay', { body: 'Kiosk', out_trade_no: 'FIND-4', total_fee: '1', spbill_create_ip: '127.0.0.1', auth_code: code }).catch(() => {})
  t.same(await numbers('kiosk', 'USERPAYING'), ['FIND-4'])
  await emulator.cancel('FIND-4')
  t.same(await numbers('kiosk', 'PAYERROR'), ['FIND-4'])
})

t.test('many orders: the same result as reading each of them', async t => {
  const orders = Array.from({ length: 1000 }, (_none, at) => ({ out_trade_no: `N${at}`, body: at % 3 ? '咖啡 Coffee' : 'Tee', total_fee: at, trade_state: 'NOTPAY', history: [{ what: 'placed' }] }) as Order)
  const search = createOrderSearch(order => order.trade_state)
  for (const order of orders) search.changed(order)
  const numbersOf = (found: readonly Order[]) => found.map(({ out_trade_no: number }) => number)
  for (let round = 0; round < 3; round++) {
    for (const words of [['n1'], ['n12', '咖'], ['tee'], ['coffee', 'n99'], ['placed'], ['999'], ['nowhere'], ['n999'], ['n0', 'tee'], ['paid', 'n25']]) {
      const wanted = orders.filter(order => words.every(word => [order.out_trade_no, order.body, String(order.total_fee), order.trade_state, ...order.history.map(({ what }) => what)].some(text => text.toLowerCase().includes(word))))
      const { orders: found, states } = search.find(words, '')
      t.same(numbersOf(found), numbersOf(wanted), `${words} in round ${round}`)
      t.equal(Object.values(states).reduce((sum, many) => sum + many, 0), wanted.length)
      t.same(numbersOf(search.find(words, 'SUCCESS').orders), numbersOf(wanted.filter(({ trade_state: state }) => state === 'SUCCESS')))
    }
    for (const order of orders.filter((_order, at) => at % 7 === round)) {
      order.trade_state = 'SUCCESS'
      order.history.push({ at: '', what: 'paid' })
      search.changed(order)
    }
  }
})
