/** Placeholder secrets: only complete values count, because a random key may contain any word. */
import fc from 'fast-check'
import t from 'tap'
import { requireSecret } from '../../src/options.ts'

const accepts = (value: string): boolean => {
  requireSecret('x', value, 32, 'http://127.0.0.1')
  return true
}

const LETTERS = [...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz']
const key = (length: number, letters = LETTERS) => fc.array(fc.constantFrom(...letters), { minLength: length, maxLength: length }).map(chars => chars.join(''))

t.test('random keys are accepted, whatever words they contain', t => {
  fc.assert(fc.property(key(32), accepts), { numRuns: 20_000 })
  fc.assert(fc.property(key(32, [...'0123456789abcdef']), accepts), { numRuns: 5000 })
  for (const word of ['todo', 'TODO', 'your', 'YOUR', 'changeme', 'placeholder', 'replaceme', 'xxx']) {
    fc.assert(fc.property(key(32 - word.length), fc.nat(32 - word.length), (rest, at) => accepts(rest.slice(0, at) + word + rest.slice(at))), { numRuns: 1000 })
  }
  // WeChat's console accepts letters and digits; with other characters, anything may follow.
  fc.assert(fc.property(key(32, [...LETTERS, ...'!#$%&()*+,-./:;<=>?@[]^_{|}~']), accepts), { numRuns: 20_000 })
  fc.assert(fc.property(key(30), fc.constantFrom('<>', '{}', '<}', '[)'), (rest, brackets) => rest.toLowerCase().match(/key|your|here|todo|xxx/) !== null || accepts(`${brackets[0]}${rest}${brackets[1]}`)), { numRuns: 5000 })
  t.end()
})

t.test('placeholders of any length are refused', t => {
  for (const value of [
    'your-app-secret-here', 'your-32-character-api-key-here!!', 'YOUR_API_V3_KEY', 'yourAppSecret', 'YOUR_APP_SECRET_GOES_RIGHT_HERE_', '<your secret>', '<APP_SECRET>', '{{ apiKey }}', '$' + '{API_KEY}', '[secret]', '$' + '{WECHAT_APP_SECRET__REPLACE_ME_}',
    'todo', 'TODO', 'TODOTODOTODOTODOTODOTODOTODOTODO', 'changeme', 'change-me', 'changemechangemechangemechangeme', 'changeme000000000000000000000000', 'replace_me', 'placeholder', 'insert key here', 'xxxx', 'x'.repeat(32), '0'.repeat(32), '*'.repeat(32), 'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxx'
  ]) t.throws(() => requireSecret('x', value, 32, 'http://127.0.0.1'), { message: 'fastify-wechat-pay: option x is still a placeholder' }, value)
  t.end()
})

t.test('the pattern is not vulnerable to catastrophic backtracking', t => {
  for (const value of [`your${'x'.repeat(95)}~`, `${'your-'.repeat(19)}~`, `your${'change'.repeat(15)}~`, `your${'mereme'.repeat(15)}~`, `todo${'1'.repeat(90)}~`]) {
    const startedAt = performance.now()
    t.throws(() => requireSecret('x', value, 32, 'http://127.0.0.1'), { message: /must have 32/ })
    // Exponential time would take years.
    t.ok(performance.now() - startedAt < 5000)
  }
  t.end()
})
