/** One suite that every store must pass. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { createEncryptedStore } from '../../src/store/encrypted.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import type { Store } from '../../src/store/store.ts'
import { skip, startRedis } from '../helpers/redis.ts'

function conformance (t: Test, make: () => Store) {
  const fresh = () => `test:{${randomUUID()}}:key`

  t.test('one takes the turn, the others see it taken, then the value', async t => {
    const [store, key] = [make(), fresh()]
    t.equal(await store.read(key), undefined)
    t.same(await store.take(key, 'a', 1000), { state: 'mine' })
    t.same(await store.take(key, 'b', 1000), { state: 'taken' })
    t.equal(await store.finish(key, 'a', 'value', 1000), true)
    const turn = await store.take(key, 'b', 1000)
    t.match(turn, { state: 'done', value: 'value' })
    t.ok(turn.state === 'done' && turn.ttl > 0 && turn.ttl <= 1000)
    t.match(await store.read(key), { value: 'value' })
  })

  t.test('a value with too little life left does not count', async t => {
    const [store, key] = [make(), fresh()]
    await store.note(key, 'old', 5000)
    t.match(await store.take(key, 'a', 1000, 100), { state: 'done', value: 'old' })
    t.same(await store.take(key, 'a', 1000, 50_000), { state: 'mine' })
    t.match(await store.read(key), { value: 'old' }, 'and stays until there is a new one')
  })

  t.test('values and leases end', async t => {
    const [store, key] = [make(), fresh()]
    await store.note(key, 'value', 30)
    await store.take(`${key}2`, 'a', 30)
    await sleep(60)
    t.equal(await store.read(key), undefined)
    t.same(await store.take(`${key}2`, 'b', 1000), { state: 'mine' })
  })

  t.test('T4 who lost the lease writes nothing and frees nobody', async t => {
    const [store, key] = [make(), fresh()]
    await store.take(key, 'slow', 20)
    await sleep(40)
    t.same(await store.take(key, 'next', 1000), { state: 'mine' })
    t.equal(await store.finish(key, 'slow', 'late', 1000), false)
    t.equal(await store.extend(key, 'slow', 1000), false)
    await store.release(key, 'slow')
    t.same(await store.take(key, 'third', 1000), { state: 'taken' })
    t.equal(await store.read(key), undefined)
    t.equal(await store.finish(key, 'next', 'value', 1000), true)
  })

  t.test('a lease can be renewed and given back', async t => {
    const [store, key] = [make(), fresh()]
    await store.take(key, 'a', 500)
    t.equal(await store.extend(key, 'a', 5000), true)
    await sleep(600)
    t.same(await store.take(key, 'b', 1000), { state: 'taken' })
    await store.release(key, 'a')
    t.same(await store.take(key, 'b', 1000), { state: 'mine' })
  })

  t.test('only the named value is dropped, with a note if asked', async t => {
    const [store, key] = [make(), fresh()]
    await store.note(key, 'new', 1000)
    const note = { key: `${key}:dead`, value: 'because', ttl: 1000 }
    t.equal(await store.drop(key, 'old', note), false)
    t.equal(await store.read(note.key), undefined)
    t.match(await store.read(key), { value: 'new' })
    t.equal(await store.drop(key, 'new', note), true)
    t.match(await store.read(note.key), { value: 'because' })
    t.equal(await store.read(key), undefined)
    await store.note(key, 'again', 1000)
    t.equal(await store.drop(key, 'again'), true)
  })

  t.test('counts within a window', async t => {
    const [store, key] = [make(), fresh()]
    t.same([await store.count(key, 500), await store.count(key, 500), await store.count(key, 500)], [1, 2, 3])
    await sleep(600)
    t.equal(await store.count(key, 1000), 1)
  })

  t.test('a hundred at once: one has the turn', async t => {
    const [store, key] = [make(), fresh()]
    const turns = await Promise.all(Array.from({ length: 100 }, (_, at) => store.take(key, String(at), 1000)))
    t.equal(turns.filter(({ state }) => state === 'mine').length, 1)
  })
}

t.test('memory', async t => {
  conformance(t, createMemoryStore)

  t.test('L11 what is past its time is swept out', async t => {
    let now = 0
    const store = createMemoryStore({ now: () => now })
    for (let at = 0; at < 20_000; at++) {
      now++
      await store.note(`key${at}`, 'x'.repeat(50), 100)
    }
    t.equal(await store.read('key1'), undefined)
    t.match(await store.read('key19999'), { value: /x+/ })
  })
})

const KEY = Buffer.alloc(32, 7)

t.test('memory, encrypted', async t => {
  conformance(t, () => createEncryptedStore(createMemoryStore(), KEY))

  t.test('nothing of a value can be read below, moved to another name, or altered', async t => {
    const below = createMemoryStore()
    const store = createEncryptedStore(below, KEY.toString('hex'))
    await store.take('a', 'me', 1000)
    await store.finish('a', 'me', 'the-token', 10_000)
    await store.note('b', 'the-token', 10_000)
    const { value: sealed } = await below.read('a') as { value: string }
    t.match(sealed, /^v1\.[\w-]{50}$/)
    t.notMatch(Buffer.from(sealed.slice(3), 'base64url').toString('latin1'), /token/)
    t.not((await below.read('b'))?.value, sealed, 'equal values under two names look different')
    t.match(await createEncryptedStore(below, KEY.toString('base64')).read('a'), { value: 'the-token' }, 'the same key in another spelling')

    const altered = Buffer.from(sealed.slice(3), 'base64url')
    altered[14]! ^= 1
    for (const rubbish of ['', 'the-token', 'v1.', 'v1.AAAA', `v1.${altered.toString('base64url')}`, (await below.read('b'))?.value as string]) {
      await below.note('a', rubbish, 10_000)
      t.match(await store.read('a'), { value: '' }, rubbish)
    }
    await below.note('a', sealed, 10_000)
    t.match(await createEncryptedStore(below, Buffer.alloc(32, 8)).read('a'), { value: '' }, 'another key')
  })

  t.test('a key that is none', async t => {
    for (const key of ['', 'short', Buffer.alloc(31), Buffer.alloc(33), undefined, 5, KEY.toString('hex').slice(2)]) {
      t.throws(() => createEncryptedStore(createMemoryStore(), key as string), { code: 'WECHAT_CONFIG', message: /encryptionKey/ })
    }
  })
})

t.test('redis', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const client = redis.client()
  conformance(t, () => createRedisStore(client))
  t.test('encrypted', async t => { conformance(t, () => createEncryptedStore(createRedisStore(client), KEY)) })

  t.test('T10 what is not ours at our key is as good as none, and overwritten', async t => {
    const store = createRedisStore(client)
    await client.lpush('list', 'x')
    await client.set('eternal', 'x')
    for (const key of ['list', 'eternal']) {
      t.equal(await store.read(key), undefined)
      t.same(await store.take(key, 'a', 1000), { state: 'mine' })
      t.equal(await store.finish(key, 'a', 'value', 1000), true)
      t.match(await store.read(key), { value: 'value' })
    }
  })

  t.test('T10 a Redis that does not answer is an error in time, without what was in the command', async t => {
    const dead = await startRedis()
    const store = createRedisStore(dead.client(), 200)
    await store.note('key', 'canary-value', 1000)
    dead.signal('SIGSTOP')
    await t.rejects(store.note('key', 'canary-value', 1000), { code: 'WECHAT_STORE', statusCode: 503, retryable: true, message: 'the shared store failed (no answer in time)' })
    await dead.stop()
    await client.config('SET', 'maxmemory', '1')
    const error = await store.finish('key', 'canary', 'canary-value', 1000).catch((error: Error) => error) as Error
    t.notMatch(error.message, /canary/)
    const full = await createRedisStore(client).note('key', 'canary-value', 1000).catch((error: Error) => error) as Error
    t.match(full, { code: 'WECHAT_STORE' })
    t.notMatch(full.message, /canary/)
    await client.config('SET', 'maxmemory', '0')
  })
})
