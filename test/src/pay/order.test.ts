import t from 'tap'
import { fromCompactChinaTime, toCompactChinaTime } from '../../../src/pay/china-time.ts'
import { checkAmount, checkOpenid, checkOrder, checkOutTradeNo } from '../../../src/pay/order.ts'
import type { Order } from '../../../src/pay/order.ts'

const good: Order = { outTradeNo: 'S-1_|*x', description: '咖啡', amount: 29 }
const refused = (field: string) => ({ code: 'WECHAT_INPUT', field, statusCode: 400 })

t.test('P2 amounts must be positive integers of fen', async t => {
  for (const amount of [0, -1, 1.5, '100', '1e2', NaN, Infinity, -Infinity, 2 ** 53, 2 ** 31, null, undefined, 19.9 * 100, 0.29 * 100, 10n, [1], true]) {
    t.throws(() => checkAmount(amount), refused('amount'), String(amount))
  }
  for (const amount of [1, 29, 1990, 2 ** 31 - 1]) t.equal(checkAmount(amount), amount)
})

t.test('P5 ambiguous order numbers are refused', async t => {
  for (const number of ['', 'x'.repeat(33), 'a/b/c/d', 'what?x=1', 'a#bcdef', 'a%2fbcd', '../../etc', 'with blank', 'tab\tabc', '单号单号单号', 123456, null, undefined, ['abcdef']]) {
    t.throws(() => checkOutTradeNo(number), refused('outTradeNo'), String(number))
  }
  for (const number of ['1', 'S-1_|*@x', 'x'.repeat(32)]) t.equal(checkOutTradeNo(number), number)
})

t.test('P4 texts are sent unchanged or refused', async t => {
  const bad: Array<[string, Partial<Record<keyof Order, unknown>>]> = [
    ['description', { description: '' }],
    ['description', { description: undefined }],
    ['description', { description: 'a\u0000b' }],
    ['description', { description: 'a\nb' }],
    ['description', { description: 'a\ud800b' }],
    ['description', { description: '\uffff' }],
    ['description', { description: '啡'.repeat(43) }],
    ['attach', { attach: 'x'.repeat(128) }],
    ['attach', { attach: 5 }],
    ['clientIp', { clientIp: '1.2.3' }],
    ['clientIp', { clientIp: '1.2.3.4, 5.6.7.8' }],
    ['expiresAt', { expiresAt: new Date(Date.now() - 1000) }],
    ['expiresAt', { expiresAt: new Date(NaN) }],
    ['expiresAt', { expiresAt: '2030-01-01' }]
  ]
  for (const [field, wrong] of bad) t.throws(() => checkOrder({ ...good, ...wrong } as Order), refused(field), JSON.stringify(wrong))
  const order = { ...good, description: '啡'.repeat(42), attach: ']]>&a=1☕️', clientIp: '2001:db8::1', expiresAt: new Date(Date.now() + 60_000) }
  t.equal(checkOrder(order), order)
  t.equal(checkOrder({ ...good, attach: '' }).attach, '')
  t.throws(() => checkOrder(null as unknown as Order), refused('order'))
  t.throws(() => checkOrder(undefined as unknown as Order), refused('order'))
})

t.test('the format of openids', async t => {
  for (const openid of [undefined, '', 'a b', 'a&b', 'x'.repeat(129), 5]) t.throws(() => checkOpenid(openid), refused('openid'))
  t.equal(checkOpenid('oUpF8uMuAJO_M2pxb1Q9zNjWeS6o'), 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o')
})

t.test('P16 times are in China\'s time zone, whatever the server\'s', async t => {
  const zone = process.env.TZ
  t.teardown(() => { if (zone === undefined) delete process.env.TZ; else process.env.TZ = zone })
  for (const TZ of ['UTC', 'America/Los_Angeles', 'Asia/Kathmandu', 'Asia/Shanghai']) {
    process.env.TZ = TZ
    const date = new Date('2026-03-08T17:59:59Z')
    t.equal(toCompactChinaTime(date), '20260309015959', TZ)
    t.same(fromCompactChinaTime('20260309015959'), date, TZ)
  }
  for (const wrong of ['', '2026030901595', '20260431000000', '20260230000000', '20261301000000', '20260309240000', '20260309016000', 'abcdefghijklmn']) {
    t.equal(fromCompactChinaTime(wrong), undefined, wrong)
  }
})
