/** examples/emulator: the Dockerfile's steps in a clean folder, the health check, and the compose file's app. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { WECHAT_HOSTS } from '../../plugins/emulator/keys/pki.ts'
import { pack, root, run } from '../helpers/packed.ts'
import { freePort } from '../helpers/redis.ts'
import { unwatched } from '../helpers/unwatched.ts'

const folder = join(root, 'examples/emulator')

function start (t: { teardown (end: () => unknown): unknown }, words: readonly string[], cwd: string, env: Record<string, string>) {
  const [name = '', ...args] = words
  const child = spawn('env', unwatched(name, args), { cwd, env: { ...process.env, ...env } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => { output += chunk })
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string)
  t.teardown(() => child.kill('SIGKILL'))
  return {
    child,
    ended,
    async waitFor (what: RegExp): Promise<string> {
      for (;;) {
        const found = what.exec(output)
        if (found) return found[1] ?? found[0]
        if ((child.exitCode ?? child.signalCode) !== null) throw new Error(`ended with ${child.exitCode ?? child.signalCode}: ${output}`)
        await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), ended])
      }
    }
  }
}

t.test('built in a clean folder, it is healthy, an app is paid, and it stops at a signal', async t => {
  const dir = t.testdir()
  const { tarball } = pack(dir)
  const [port, securePort, appPort] = [await freePort(), await freePort(), await freePort()].map(String) as [string, string, string]
  const place = join(dir, 'image')
  const own = { WECHAT_EMULATOR_HOST: '127.0.0.1', WECHAT_EMULATOR_PORT: port, WECHAT_EMULATOR_SECURE_PORT: securePort, WECHAT_EMULATOR_PUBLIC_HOST: 'wechat' }
  const wechat = start(t, ['sh', join(folder, 'without-docker.sh'), place, tarball], dir, own)
  await wechat.waitFor(/WeChat emulator on (\S+)/)
  const [, check = ''] = /^HEALTHCHECK .*CMD (\[.*\])$/m.exec(readFileSync(join(folder, 'Dockerfile'), 'utf8')) ?? []
  const health = (env: Record<string, string>) => run('env', [...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...JSON.parse(check) as string[]], join(place, 'emulator'))
  t.match(health(own), /^up: http:\/\/127\.0\.0\.1:\d+, version \d/)
  t.throws(() => health({ ...own, WECHAT_EMULATOR_PORT: '1', WECHAT_EMULATOR_DATA: join(dir, 'none') }), 'a port where nothing listens')

  const compose = readFileSync(join(folder, 'compose.yaml'), 'utf8')
  const [, aliases = ''] = /aliases: \[(.*)\]/.exec(compose) ?? []
  for (const host of WECHAT_HOSTS) t.ok(aliases.split(', ').includes(host), `${host} resolves to the emulator`)
  for (const name of ['WECHAT_EMULATOR_ORIGIN: http://wechat:8788', 'WECHAT_EMULATOR_PUBLIC_HOST: wechat', 'NODE_EXTRA_CA_CERTS: /wechat/ca.pem', 'wechat-data:/data']) t.match(compose, name)
  // Without a container network, WeChat's hosts are redirected as by `exec`.
  const redirect = join(root, 'plugins/emulator/cli/static/redirect.js')
  const app = start(t, [process.execPath, '--import', redirect, join(folder, 'app.mjs')], dir, {
    WECHAT_EMULATOR_ORIGIN: `http://127.0.0.1:${port}`,
    NODE_EXTRA_CA_CERTS: join(place, 'data/ca.pem'),
    NOTIFY_URL: `http://127.0.0.1:${appPort}/notify`,
    WECHAT_EMULATOR_SECURE_PORT: securePort
  })
  const number = await app.waitFor(/placed: (\S+) wx\w+/)
  t.match(await fetch(`http://127.0.0.1:${port}/_emulator/orders/${number}/pay`, { method: 'POST' }), { status: 200 })
  t.equal(await app.waitFor(/paid: (.+)/), `${number} 6800`)
  wechat.child.kill('SIGTERM')
  t.equal(await wechat.ended, 0, 'as docker stop does')
})
