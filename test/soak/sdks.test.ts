/**
 * Other SDKs of Node, unmodified, through `exec`: an order placed, paid, notified, queried and refunded, each as its README
 * shows it; and an Open Platform from its first ticket to the withdrawal.
 */
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { command } from '../helpers/command.ts'
import { root, run } from '../helpers/packed.ts'

/** Not a devDependency, because its own dependencies are no longer maintained. */
const INSTALLED: Readonly<Record<string, string>> = { 'weixin-pay': 'weixin-pay@1.1.7' }

function install (dir: string, ...packages: string[]): void {
  writeFileSync(join(dir, 'package.json'), '{"private":true}')
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--silent', '--ignore-scripts', ...packages], dir)
}

for (const [name, mode] of [['tenpay', 'public-key'], ['weixin-pay', 'public-key'], ['wechatpay-axios-plugin', 'public-key'], ['wechatpay-node-v3', 'certificate']] as const) {
  t.test(name, async t => {
    const dir = t.testdir()
    cpSync(join(root, 'test/fixtures/sdks'), dir, { recursive: true })
    if (INSTALLED[name]) {
      install(dir, INSTALLED[name])
    } else {
      mkdirSync(join(dir, 'node_modules'))
      symlinkSync(join(root, 'node_modules', name), join(dir, 'node_modules', name))
    }
    const shop = command(['exec', '--port', '0', '--key-mode', mode, '--', process.execPath, `${name}.mjs`], { cwd: dir })
    t.teardown(shop.stop)
    const dashboard = await shop.waitFor(/WeChat emulator: (\S+)/)
    const number = await shop.waitFor(/^placed: (\S+) \S+$/m)
    t.match(await fetch(`${new URL(dashboard).origin}/_emulator/orders/${number}/pay`, { method: 'POST' }), { status: 200 })
    t.equal(await shop.ended, 0, shop.printed.err)
    t.match(shop.printed.out, new RegExp(`^paid: ${number} 6800\ndone: SUCCESS 800$`, 'm'))
  })
}

t.test('node-easywechat', { timeout: 120_000 }, async t => {
  const dir = t.testdir()
  cpSync(join(root, 'test/fixtures/sdks'), dir, { recursive: true })
  // It imports a file that later releases of node-socialite have moved.
  install(dir, 'node-easywechat@3.6.2', 'node-socialite@1.4.1')
  const platform = command(['exec', '--port', '0', '--component', '--', process.execPath, 'node-easywechat.mjs'], { cwd: dir })
  t.teardown(platform.stop)
  t.equal(await platform.ended, 0, platform.printed.err)
  t.match(platform.printed.out, 'page: mp.weixin.qq.com\nevent: true\nauthorized: true\ncalled: true\ngone: true\nrefused: 61003\n')
})
