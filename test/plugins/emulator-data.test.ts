/** An emulator with `data` reads back exactly what it wrote. */
import { readdirSync } from 'node:fs'
import t from 'tap'
import { createAuthority, createPki } from '../../plugins/emulator/keys/pki.ts'
import { keepState, readState } from '../../plugins/emulator/server/data.ts'
import { createState } from '../../plugins/emulator/state/state.ts'

t.test('tables and lists of all accounts, including empty ones and any text', async t => {
  const dir = t.testdir()
  const authority = createAuthority()
  const tenants = ['', 'second'].map(name => {
    const state = createState()
    return { name, state, pki: createPki(state.account.mchId, authority, state.random) }
  })
  const [first, second] = tenants as [typeof tenants[number], typeof tenants[number]]
  const orders = first.state.memory.table<object>('orders')
  for (const number of ['A1', 'A2', '"],\n["', '咖啡\u2028']) orders.set(number, { out_trade_no: number, history: [{ at: '', what: 'placed' }], none: null })
  first.state.memory.list<object>('deliveries').push({ id: 'n1', reply: null }, { id: 'n2', reply: { status: 200, body: '<xml>\n</xml>' } })
  second.state.memory.table('empty')
  second.state.memory.list('nothing')

  const kept = keepState(dir, { authority, tenants })
  orders.delete('A1')
  kept.close()

  const saved = readState(dir)
  t.ok(saved)
  t.same(saved?.authority, authority.saved)
  for (const { name, state, pki } of tenants) {
    t.same(saved?.accounts[name], { memory: JSON.parse(JSON.stringify(state.memory.snapshot())), keys: pki.v3.saved() }, name || 'the first')
  }
  t.same(createState({}, saved?.accounts['']?.memory).orders, orders)
  t.same(readdirSync(dir), ['state.json'], 'no temporary file is left')
})
