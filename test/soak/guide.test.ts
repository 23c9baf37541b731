/** docs/emulator.md, step by step: another SDK in a new project, and a paid order. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { pack, root, run } from '../helpers/packed.ts'
import { freePort } from '../helpers/redis.ts'
import { sample } from '../helpers/samples.ts'
import { unwatched } from '../helpers/unwatched.ts'

const GUIDES = ['docs/emulator.md', 'docs/zh-CN/emulator.md']

/** A command line, as a shell runs it. */
function start (line: string, cwd: string, env: Record<string, string>) {
  const child = spawn('env', unwatched('sh', ['-c', line]), { cwd, env: { ...process.env, ...env }, detached: true })
  let output = ''
  child.stdout.on('data', chunk => { output += chunk })
  child.stderr.on('data', chunk => { output += chunk })
  return {
    child,
    async waitFor (what: RegExp): Promise<string> {
      for (;;) {
        const found = what.exec(output)
        if (found) return found[1] ?? found[0]
        if ((child.exitCode ?? child.signalCode) !== null) throw new Error(`ended with ${child.exitCode ?? child.signalCode}: ${output}`)
        await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), once(child, 'exit')])
      }
    },
    async stop () {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      process.kill(-(child.pid as number), 'SIGTERM')
      await ended
    }
  }
}

t.test('the guide, from an existing project to a paid order, with two unmodified SDKs', async t => {
  const dir = t.testdir()
  const { tarball } = pack(dir)
  const project = join(dir, 'project')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{"private":true}')
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', 'fastify@5', 'tenpay@2.1.18', 'wechatpay-node-v3@2.2.1'], project)
  const installation = sample(GUIDES[0] as string, '').trim()
  t.equal(installation, 'npm install --save-dev fastify-wechat-pay')
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--save-dev', tarball], project)

  for (const guide of GUIDES) {
    for (const name of ['shop-v2', 'shop-v3']) {
      writeFileSync(join(project, `${name}.mjs`), sample(guide, `file: ${name}.mjs`))
      const env = { WECHAT_EMULATOR_PORT: '0', WECHAT_EMULATOR_SECURE_PORT: '0', PORT: String(await freePort()) }
      const shop = start(sample(guide, `run: ${name}`).trim(), project, env)
      t.teardown(() => shop.stop())
      const dashboard = await shop.waitFor(/WeChat emulator: (\S+)/)
      const number = await shop.waitFor(/placed: (\S+) prepay_id=wx\w+/)
      const pay = /^curl -X POST (\S+)$/.exec(sample(guide, 'run: pay').trim())?.[1]?.replace('http://127.0.0.1:8788', new URL(dashboard).origin).replace('$OUT_TRADE_NO', number)
      t.match(await fetch(pay as string, { method: 'POST' }), { status: 200 })
      t.equal(await shop.waitFor(/paid: (.+)/), `${number} 6800`, `${guide}: ${name} is paid`)
      // The app logs it before it answers.
      const notifications = async () => await (await fetch(`${new URL(dashboard).origin}/_emulator/notifications`)).json() as Array<{ out_trade_no: string, accepted: boolean }>
      while (!(await notifications()).some(({ accepted, out_trade_no: paid }) => accepted && paid === number)) await setTimeout(50)
      await shop.stop()
    }
  }
  t.notOk(readdirSync(project).includes('wechat'), 'nothing is left behind')
})

t.test('the guide\'s tests pass with tap, node:test and vitest', async t => {
  const dir = t.testdir()
  const { tarball, manifest } = pack(dir)
  const project = join(dir, 'project')
  const modules = join(project, 'node_modules')
  mkdirSync(join(modules, 'fastify-wechat-pay'), { recursive: true })
  run('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, 'fastify-wechat-pay')], dir)
  mkdirSync(join(modules, '@fastify'))
  for (const name of ['fastify', 'tap', 'vitest', ...Object.keys(manifest.dependencies)]) symlinkSync(join(root, 'node_modules', name), join(modules, name))
  writeFileSync(join(project, 'package.json'), '{"private":true,"type":"module"}')
  const port = String(await freePort())
  for (const guide of GUIDES) {
    writeFileSync(join(project, 'tap.js'), sample(guide, 'test: tap').replaceAll('3999', port))
    t.match(run(process.execPath, ['tap.js'], project), /^ok 1 - /m)
    writeFileSync(join(project, 'node.js'), sample(guide, 'test: node'))
    t.match(run(process.execPath, ['--test', '--test-reporter=tap', 'node.js'], project), /# pass 2[\s\S]*# fail 0/)
    writeFileSync(join(project, 'some.test.js'), sample(guide, 'test: vitest'))
    t.match(run(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--reporter=tap'], project), /^ok 1 - /m)
  }
})
