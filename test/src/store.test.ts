/** A conformance suite for all stores. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import redisPlugin from '@fastify/redis'
import Fastify from 'fastify'
import { createCluster } from 'redis'
import { storeOf } from '../../plugins/common.ts'
import { createEncryptedStore } from '../../src/store/encrypted.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { accountKey } from '../../src/store/key.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import type { RedisClient } from '../../src/store/redis-client.ts'
import type { Store } from '../../src/store/store.ts'
import { patience } from '../helpers/patience.ts'
import { skip, startRedis } from '../helpers/redis.ts'
import { startCluster } from '../helpers/redis-cluster.ts'

/** Milliseconds: longer than any test. */
const LONG = 600_000

/** The store's timeout is not tested here, and a busy machine needs longer. */
const redisStore = (redis: RedisClient) => createRedisStore(redis, patience(2000))

function conformance (t: Test, make: () => Store) {
  // At the same time: most of them wait for an expiry.
  t.test('a store', { jobs: 12 }, async t => {
    const fresh = () => `test:{${randomUUID()}}:key`

    t.test('one acquires the lease, the others see it locked, then the value', async t => {
      const [store, key] = [make(), fresh()]
      t.equal(await store.read(key), undefined)
      t.same(await store.acquire(key, 'a', LONG), { state: 'acquired' })
      t.same(await store.acquire(key, 'b', LONG), { state: 'locked' })
      t.equal(await store.complete(key, 'a', 'value', LONG), true)
      const turn = await store.acquire(key, 'b', LONG)
      t.match(turn, { state: 'done', value: 'value' })
      t.ok(turn.state === 'done' && turn.ttl > 0 && turn.ttl <= LONG)
      t.match(await store.read(key), { value: 'value' })
    })

    t.test('a value with too little ttl left is not returned', async t => {
      const [store, key] = [make(), fresh()]
      await store.set(key, 'old', LONG)
      t.match(await store.acquire(key, 'a', LONG, 100), { state: 'done', value: 'old' })
      t.same(await store.acquire(key, 'a', LONG, 10 * LONG), { state: 'acquired' })
      t.match(await store.read(key), { value: 'old' }, 'and stays until there is a new one')
    })

    t.test('values and leases expire', async t => {
      const [store, key] = [make(), fresh()]
      await store.set(key, 'value', 30)
      await store.acquire(`${key}2`, 'a', 30)
      await sleep(60)
      t.equal(await store.read(key), undefined)
      t.same(await store.acquire(`${key}2`, 'b', LONG), { state: 'acquired' })
    })

    t.test('T4 without the lease, nothing is written or released', async t => {
      const [store, key] = [make(), fresh()]
      await store.acquire(key, 'slow', 20)
      await sleep(40)
      t.same(await store.acquire(key, 'next', LONG), { state: 'acquired' })
      t.equal(await store.complete(key, 'slow', 'late', LONG), false)
      t.equal(await store.renew(key, 'slow', LONG), false)
      await store.release(key, 'slow')
      t.same(await store.acquire(key, 'third', LONG), { state: 'locked' })
      t.equal(await store.read(key), undefined)
      t.equal(await store.complete(key, 'next', 'value', LONG), true)
    })

    t.test('a lease can be renewed and released', async t => {
      const [store, key] = [make(), fresh()]
      await store.acquire(key, 'a', patience(500))
      t.equal(await store.renew(key, 'a', LONG), true)
      await sleep(patience(600))
      t.same(await store.acquire(key, 'b', LONG), { state: 'locked' })
      await store.release(key, 'a')
      t.same(await store.acquire(key, 'b', LONG), { state: 'acquired' })
    })

    t.test('delete removes only the given value, and can leave a tombstone', async t => {
      const [store, key] = [make(), fresh()]
      await store.set(key, 'new', LONG)
      const note = { key: `${key}:dead`, value: 'because', ttl: LONG }
      t.equal(await store.delete(key, 'old', note), false)
      t.equal(await store.read(note.key), undefined)
      t.match(await store.read(key), { value: 'new' })
      t.equal(await store.delete(key, 'new', note), true)
      t.match(await store.read(note.key), { value: 'because' })
      t.equal(await store.read(key), undefined)
      await store.set(key, 'again', LONG)
      t.equal(await store.delete(key, 'again'), true)
    })

    t.test('increment counts within a window', async t => {
      const [store, key] = [make(), fresh()]
      t.same([await store.increment(key, patience(500)), await store.increment(key, patience(500)), await store.increment(key, patience(500))], [1, 2, 3])
      await sleep(patience(600))
      t.equal(await store.increment(key, LONG), 1)
    })

    t.test('a hundred concurrent acquires: one succeeds', async t => {
      const [store, key] = [make(), fresh()]
      const turns = await Promise.all(Array.from({ length: 100 }, (_, at) => store.acquire(key, String(at), LONG)))
      t.equal(turns.filter(({ state }) => state === 'acquired').length, 1)
    })
  })
}

t.test('memory', async t => {
  conformance(t, createMemoryStore)

  t.test('L11 expired entries are removed', async t => {
    let now = 0
    const store = createMemoryStore({ now: () => now })
    for (let at = 0; at < 20_000; at++) {
      now++
      await store.set(`key${at}`, 'x'.repeat(50), 100)
    }
    t.equal(await store.read('key1'), undefined)
    t.match(await store.read('key19999'), { value: /x+/ })
  })
})

const KEY = Buffer.alloc(32, 7)
const OTHER_KEY = Buffer.alloc(32, 8)

/** K2: values written with one key or format are ignored by readers with another, except for "done" marks. */
function changes (t: Test, ways: Record<string, () => Store>) {
  const pairs = Object.keys(ways).flatMap(one => Object.keys(ways).filter(other => other !== one).map(other => [one, other] as const))
  for (const [one, other] of pairs) {
    t.test(`K2 from ${one} to ${other}`, async t => {
      const [before, after, appId] = [ways[one]!(), ways[other]!(), `wx${randomUUID()}`]
      const key = accountKey(appId, 'access_token')
      await before.set(key, 'old', 60_000)
      t.equal(await after.read(key), undefined)
      t.equal(await after.delete(key, 'old'), false)
      const turns = await Promise.all(Array.from({ length: 20 }, (_none, at) => after.acquire(key, String(at), 1000)))
      t.same(turns.map(({ state }) => state).sort(), ['acquired', ...Array(19).fill('locked')], 'as if the store were empty')
      const at = turns.findIndex(({ state }) => state === 'acquired')
      t.equal(await after.complete(key, String(at), 'new', 60_000), true)
      t.match(await after.acquire(key, 'x', 1000), { state: 'done', value: 'new' })
      t.equal(await before.read(key), undefined)

      for (const name of ['handled:1900000109:4200', 'refund::R1', 'reconcile:1900000109']) {
        const mark = accountKey(appId, name)
        await before.acquire(mark, 'me', 1000)
        t.equal(await before.complete(mark, 'me', 'done', 60_000), true)
        t.match(await after.acquire(mark, 'you', 1000), { state: 'done', value: 'done' }, `${name} stays`)
        t.equal(await after.delete(mark, 'done'), true)
      }
    })
  }
}

const ways = (bare: () => Store, plain = bare): Record<string, () => Store> => ({
  plain,
  'a key': () => createEncryptedStore(bare(), KEY),
  'another key': () => createEncryptedStore(bare(), OTHER_KEY)
})

t.test('memory, encrypted', async t => {
  conformance(t, () => createEncryptedStore(createMemoryStore(), KEY))

  t.test('encrypted values cannot be read, moved to another key, or altered', async t => {
    const below = createMemoryStore()
    const store = createEncryptedStore(below, KEY.toString('hex'))
    await store.acquire('a', 'me', 1000)
    await store.complete('a', 'me', 'the-token', 10_000)
    await store.set('b', 'the-token', 10_000)
    const { value: sealed } = await below.read('a') as { value: string }
    t.match(sealed, /^v1\.[\w-]{50}$/)
    t.notMatch(Buffer.from(sealed.slice(3), 'base64url').toString('latin1'), /token/)
    t.not((await below.read('b'))?.value, sealed, 'equal values under two keys look different')
    t.match(await createEncryptedStore(below, KEY.toString('base64')).read('a'), { value: 'the-token' }, 'the same key in another spelling')

    const altered = Buffer.from(sealed.slice(3), 'base64url')
    altered[14]! ^= 1
    for (const invalid of ['', 'the-token', 'v1.', 'v1.AAAA', `v1.${altered.toString('base64url')}`, (await below.read('b'))?.value as string]) {
      await below.set('a', invalid, 10_000)
      t.equal(await store.read('a'), undefined, invalid)
    }
    await below.set('a', sealed, 10_000)
    t.equal(await createEncryptedStore(below, OTHER_KEY).read('a'), undefined, 'another key')
  })

  t.test('invalid encryption keys', async t => {
    for (const key of ['', 'short', Buffer.alloc(31), Buffer.alloc(33), undefined, 5, KEY.toString('hex').slice(2)]) {
      t.throws(() => createEncryptedStore(createMemoryStore(), key as string), { code: 'WECHAT_CONFIG', message: /encryptionKey/ })
    }
  })
})

t.test('redis', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const client = redis.client()
  conformance(t, () => redisStore(client))
  t.test('encrypted', async t => { conformance(t, () => createEncryptedStore(redisStore(client), KEY)) })
  changes(t, ways(() => redisStore(client)))

  for (const RESP of [2, 3] as const) {
    const nodeClient = await redis.nodeClient({ RESP })
    t.test(`node-redis, RESP${RESP}`, async t => {
      conformance(t, () => redisStore(nodeClient))
      changes(t, ways(() => redisStore(nodeClient)))
    })
  }
  t.test('ioredis with stringNumbers', async t => {
    const texts = redis.client({ stringNumbers: true })
    conformance(t, () => redisStore(texts))
  })

  t.test('a plain value that looks encrypted is returned', async t => {
    const store = createRedisStore(client)
    const token = `v1.${'a'.repeat(40)}`
    for (const value of [token, `plain:${token}`, `plain:plain:${token}`, 'plain:x', 'v1.short', '']) {
      await store.set('odd', value, 60_000)
      t.match(await store.read('odd'), { value }, value)
      t.match(await store.acquire('odd', 'a', 1000), { state: 'done', value })
      t.equal(await store.delete('odd', value), true)
    }
  })

  t.test('a "done" mark encrypted by an earlier version is still recognized', async t => {
    const mark = accountKey('wx1', 'handled:1900000109:4200')
    const encrypted = createEncryptedStore(createRedisStore(client), KEY)
    // That version encrypted all values the same way; other keys are unchanged.
    const sealedAs = async (key: string, value: string) => {
      const { createCipheriv, createHmac, hkdfSync } = await import('node:crypto')
      const derive = (use: string) => Buffer.from(hkdfSync('sha256', KEY, '', `fastify-wechat-pay ${use}`, 32))
      const nonce = createHmac('sha256', derive('nonce')).update(`${key.length}:${key}${value}`).digest().subarray(0, 12)
      const cipher = createCipheriv('aes-256-gcm', derive('encrypt'), nonce, { authTagLength: 16 }).setAAD(Buffer.from(key))
      return `v1.${Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]).toString('base64url')}`
    }
    await client.set(mark, await sealedAs(mark, '1'), 'PX', 60_000)
    t.match(await encrypted.acquire(mark, 'a', 1000), { state: 'done', value: '1' })
    const token = accountKey('wx1', 'access_token')
    await encrypted.set(token, '98_token', 60_000)
    t.equal(await client.get(token), await sealedAs(token, '98_token'), 'and new values are encrypted the same way')
  })

  t.test('scripts are sent once, and again if the server has lost them', async t => {
    for (const of of [createRedisStore(client), createRedisStore(await redis.nodeClient())]) {
      await client.script('FLUSH')
      await client.config('RESETSTAT')
      for (let at = 0; at < 5; at++) await of.set('key', 'value', 1000)
      const stats = await client.info('commandstats')
      t.match(stats, /cmdstat_eval:calls=1,/)
      t.match(stats, /cmdstat_evalsha:calls=5,/)
    }
  })

  t.test('T16 a foreign lock is replaced', async t => {
    const store = createRedisStore(client)
    const locks: Record<string, (lock: string) => Promise<unknown>> = {
      'without TTL': lock => client.set(lock, 'rubbish'),
      'a list': lock => client.lpush(lock, 'x'),
      'a list that ends': async lock => { await client.lpush(lock, 'x'); await client.pexpire(lock, 60_000) },
      'a hash': lock => client.hset(lock, 'a', 'b')
    }
    for (const [what, make] of Object.entries(locks)) {
      const key = `{t16}${what}`
      await make(`${key}:lock`)
      t.equal(await store.renew(key, 'a', 1000), false, what)
      t.equal(await store.complete(key, 'a', 'x', 1000), false)
      await store.release(key, 'a')
      t.same(await store.acquire(key, 'a', 1000), { state: 'acquired' }, what)
      t.same(await store.acquire(key, 'b', 1000), { state: 'locked' })
      t.ok(await client.pttl(`${key}:lock`) > 0)
      t.equal(await store.complete(key, 'a', 'value', 1000), true)
    }
    await client.set('{t16}long:lock', 'rubbish', 'PX', 3600_000)
    t.same(await store.acquire('{t16}long', 'a', 200), { state: 'locked' }, 'it may be a live lock')
    await sleep(250)
    t.same(await store.acquire('{t16}long', 'a', 200), { state: 'acquired' }, 'but for no longer than a lease')
  })

  t.test('T16 foreign counters are reset', async t => {
    const store = createRedisStore(client)
    await client.lpush('{t16}count list', 'x')
    await client.set('{t16}count text', 'x', 'PX', 60_000)
    await client.set('{t16}count eternal', '500')
    await client.set('{t16}count long', '500', 'PX', 3600_000)
    for (const what of ['list', 'text', 'eternal', 'long']) {
      t.same([await store.increment(`{t16}count ${what}`, 1000), await store.increment(`{t16}count ${what}`, 1000)], [1, 2], what)
      t.ok(await client.pttl(`{t16}count ${what}`) <= 1000)
    }
  })

  t.test('the commands listed in docs/redis.md are sufficient for a user with ACLs', async t => {
    await client.call('ACL', 'SETUSER', 'narrow', 'on', '>pass', '~test:*', '-@all', ...['eval', 'evalsha', 'get', 'set', 'del', 'incr', 'pttl', 'pexpire', 'type'].map(name => `+${name}`))
    await client.script('FLUSH')
    const narrow = redis.client({ username: 'narrow', password: 'pass', enableReadyCheck: false })
    conformance(t, () => redisStore(narrow))
    await client.lpush('test:{acl}:lock', 'x')
    t.same(await createRedisStore(narrow).acquire('test:{acl}', 'a', 1000), { state: 'acquired' })
  })

  t.test('an unsupported client is refused when it is passed', async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(redisPlugin, { client: redis.client(), namespace: 'main' })
    await app.register(redisPlugin, { client: redis.client(), namespace: 'cache' })
    const wrong: Array<[unknown, RegExp]> = [
      [app.redis, /named clients.*app\.redis\.main or app\.redis\.cache$/],
      ['redis://canary', /a string: create a client/],
      ['', /a string/],
      [6379, /a number$/],
      [null, /null: leave/],
      [Promise.resolve(client), /a promise: await it/],
      [redis.client, /a function: call it/],
      [{}, /an object without/],
      [{ eval: async () => 1 }, /an object without/],
      // Like HTTP clients of hosted Redis: the same names, different signatures.
      [{ eval: async () => 1, evalsha: async () => 1 }, /an object without/]
    ]
    for (const [option, message] of wrong) {
      const error = await Promise.resolve().then(() => storeOf(app, { redis: option as RedisClient })).catch((error: unknown) => error) as Error
      t.match(error, { code: 'WECHAT_CONFIG', option: 'redis', message }, String(message))
      t.notMatch(error.message, /canary/)
    }
    t.ok(storeOf(app, { redis: (app.redis as unknown as Record<string, RedisClient>).main! }))
  })

  t.test('synchronous and custom errors of a client become store errors', async t => {
    const failing = (call: () => unknown) => createRedisStore({ on () {}, eval: call, evalsha: call } as unknown as RedisClient, 100)
    const failed = { code: 'WECHAT_STORE', statusCode: 503, retryable: true }
    class ClientClosedError extends Error {}
    await t.rejects(failing(() => { throw new TypeError('canary') }).read('key'), { ...failed, message: 'the shared store failed (TypeError)' })
    await t.rejects(failing(async () => { throw new ClientClosedError('canary') }).read('key'), { ...failed, message: 'the shared store failed (ClientClosedError)' })
    await t.rejects(failing(async () => { throw new Error('ERR Error running script (call to f_1): @user_script:7: @user_script: 7: -READONLY canary') }).read('key'), { ...failed, message: 'the shared store failed (READONLY)' }, 'Redis 6\'s message')
    await t.rejects(failing(async () => { throw 'canary' }).read('key'), failed) // eslint-disable-line no-throw-literal
    await t.rejects(failing(() => new Promise(() => {})).read('key'), { ...failed, message: /no answer in time/ })
    // A leaked timer would cause an unhandled rejection now.
    await sleep(150)
  })

  t.test('T10 a foreign value at our key counts as missing and is overwritten', async t => {
    const store = createRedisStore(client)
    await client.lpush('list', 'x')
    await client.set('eternal', 'x')
    for (const key of ['list', 'eternal']) {
      t.equal(await store.read(key), undefined)
      t.same(await store.acquire(key, 'a', 1000), { state: 'acquired' })
      t.equal(await store.complete(key, 'a', 'value', 1000), true)
      t.match(await store.read(key), { value: 'value' })
    }
  })

  t.test('T10 a Redis that does not answer is an error after the timeout, without the command\'s arguments', async t => {
    const stopped = await startRedis()
    const store = createRedisStore(stopped.client(), 200)
    await store.set('key', 'canary-value', 1000)
    stopped.signal('SIGSTOP')
    await t.rejects(store.set('key', 'canary-value', 1000), { code: 'WECHAT_STORE', statusCode: 503, retryable: true, message: 'the shared store failed (no answer in time)' })
    await stopped.stop()
    await client.config('SET', 'maxmemory', '1')
    const error = await store.complete('key', 'canary', 'canary-value', 1000).catch((error: Error) => error) as Error
    t.notMatch(error.message, /canary/)
    const full = await createRedisStore(client).set('key', 'canary-value', 1000).catch((error: Error) => error) as Error
    t.match(full, { code: 'WECHAT_STORE' })
    t.notMatch(full.message, /canary/)
    await client.config('SET', 'maxmemory', '0')
  })
})

t.test('a cluster, with node-redis', { skip }, async t => {
  const key = accountKey('wx1', 'access_token')
  const { ports } = await startCluster(t, key)
  const cluster = createCluster({ rootNodes: ports.map(port => ({ url: `redis://127.0.0.1:${port}` })) })
  cluster.on('error', () => {})
  await cluster.connect()
  t.teardown(() => cluster.destroy())
  conformance(t, () => createEncryptedStore(redisStore(cluster), KEY))
})
