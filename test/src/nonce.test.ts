import t from 'tap'
import { nonce } from '../../src/nonce.ts'

t.test('J6 nonces are 32 hex digits and never repeat', async t => {
  const seen = new Set(Array.from({ length: 2000 }, nonce))
  t.equal(seen.size, 2000)
  for (const one of seen) t.match(one, /^[0-9a-f]{32}$/)
})
