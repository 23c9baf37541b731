/** The demo, as a newcomer runs it. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { program } from '../helpers/program.ts'

for (const [version, signed] of [[[], 'HMAC-SHA256'], [['--v3'], 'RSA']] as const) {
  t.test(`demo --once ${version}: a line per step, and the payment as the last`, async t => {
    const { said, ended } = program('examples/shop/demo.ts', ['--once', ...version])
    t.equal(await ended, 0, said.err)
    const lines = said.out.trim().split('\n')
    t.same(lines.map(line => line.split(':')[0]).slice(0, 5), ['1 token', '2 login', '3 jssdk', '4 order', '5 payment'])
    t.match(lines[3], new RegExp(`signed with ${signed}$`))
    t.match(lines[5], /^paid out_trade_no=\S+ transaction_id=\d{28} total_fee=6800 notified=1$/)
    t.equal(lines.length, 6)
  })
}

t.test('demo: a failure names its step and exits 1', async t => {
  const taken = createServer().listen(0, 'localhost')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const { said, ended } = program('examples/shop/demo.ts', ['--once', '--port', String((taken.address() as AddressInfo).port)])
  t.equal(await ended, 1)
  t.match(said.err, /^demo failed at opening the shop: port \d+ is in use: .*--port N/)
})
