/** `npm run demo -- --once`. */
import t from 'tap'
import { program } from '../helpers/program.ts'

t.test('demo --once prints a line per step, and the payment last', async t => {
  const { printed, ended } = program('examples/shop/demo.ts', ['--once'])
  t.equal(await ended, 0, printed.err)
  const lines = printed.out.trim().split('\n')
  t.same(lines.map(line => line.split(':')[0]).slice(0, 5), ['1 token', '2 login', '3 jssdk', '4 order', '5 payment'])
  t.match(lines[3], /signed with HMAC-SHA256$/)
  t.match(lines[5], /^paid out_trade_no=\S+ transaction_id=\d{28} total_fee=6800 notified=1$/)
  t.equal(lines.length, 6)
})
