/** The commands of the README and the guide: output, exit codes, errors. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { command } from '../helpers/command.ts'
import { program } from '../helpers/program.ts'

const root = new URL('../../', import.meta.url)

t.test('demo --once --v3: a line per step, signed with RSA', async t => {
  const { printed, ended } = program('examples/shop/demo.ts', ['--once', '--v3'])
  t.equal(await ended, 0, printed.err)
  t.match(printed.out, /^1 token:[^]*^2 login:[^]*^3 jssdk:[^]*^4 order:.*signed with RSA\n5 payment:.*\npaid out_trade_no=\S+ transaction_id=\d{28} total_fee=6800 notified=1\n$/m)
})

t.test('a failing demo names the step and exits with 1', async t => {
  const taken = createServer().listen(0, 'localhost')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const { printed, ended } = program('examples/shop/demo.ts', ['--once', '--port', String((taken.address() as AddressInfo).port)])
  t.equal(await ended, 1)
  t.match(printed.err, /^demo failed at opening the shop: port \d+ is in use: .*--port N/)
})

t.test('no deprecation warnings, ours or of dependencies', async t => {
  const { printed, ended } = program('--throw-deprecation', ['--import', 'tsx', 'examples/shop/demo.ts', '--once', '--v3'])
  t.equal(await ended, 0, printed.err)
  t.equal(printed.err, '')
})

t.test('demo prints the URL and instructions, and stops at a signal', async t => {
  const demo = program('examples/shop/demo.ts', ['--port', '0'])
  await demo.waitFor(/Stop with Ctrl\+C/)
  const url = /http:\/\/localhost:\d+\/\?lang=en/.exec(demo.printed.out)?.[0]
  t.match(await (await fetch(String(url))).text(), /Pour-over coffee/)
  demo.child.kill('SIGTERM')
  t.equal(await demo.ended, 0)
})

// npm only signals its shell, which exits and leaves its child running.
t.test('when npm exits, everything exits', { timeout: 110_000 }, async t => {
  for (const [args, isGroup] of [[['--port', '0'], true], [['exec', '--port', '0', '--', 'sh', '-c', 'echo "up: 1 $((1+1))"; exec sleep 1000'], false]] as const) {
    const npm = spawn('npm', ['run', '--silent', 'emulator', '--', ...args], { cwd: root, detached: true, env: { ...process.env, NODE_OPTIONS: '' }, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    npm.stdout.on('data', chunk => { output += chunk })
    while (!/wechat-emulator --help|up: 1 2/.test(output)) await once(npm.stdout, 'data')
    const all = once(npm.stdout, 'close')
    // The terminal's Ctrl+C reaches the whole group; `kill` reaches npm alone.
    if (isGroup) process.kill(-(npm.pid as number), 'SIGINT')
    else npm.kill('SIGTERM')
    await all
    t.pass('all processes have closed its output')
  }
})

t.test('wechat-emulator: start, exec, ports in use, wrong options', async t => {
  const emulator = command(['--port', '0', '--app-id', 'wx00000000000000aa', '--time-scale', '0.1'])
  await emulator.waitFor(/bridge\.js/)
  const origin = /http:\/\/127\.0\.0\.1:\d+/.exec(emulator.printed.out)?.[0]
  t.match(await (await fetch(`${origin}/_emulator/config`)).json(), { appId: 'wx00000000000000aa', appSecret: /^emulator[0-9a-f]{24}$/, endpoints: { api: origin } })
  emulator.child.kill('SIGINT')
  t.equal(await emulator.ended, 0)

  const printEnvironment = 'console.log(process.env.WECHAT_MCH_ID, Object.keys(process.env).filter(name => name.startsWith("WECHAT_")).length); process.exit(7)'
  const around = command(['exec', '--port', '0', '--mch-id', '1900000009', '--', process.execPath, '-e', printEnvironment])
  t.equal(await around.ended, 7, 'the command\'s exit code')
  t.match(around.printed.out, /^1900000009 \d+\n$/)
  const stopped = command(['exec', '--port', '0', '--', process.execPath, '-e', 'console.log("up"); setInterval(() => {}, 1000)'])
  await stopped.waitFor(/up/)
  stopped.child.kill('SIGTERM')
  t.equal(await stopped.ended, 143)

  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  for (const args of [['--port', String(port)], ['--port', '0', '--secure-port', String(port)]]) {
    const busy = command(args)
    t.equal(await busy.ended, 1, `exits if the port of ${args[args.length - 2]} is taken`)
    t.match(busy.printed.err, new RegExp(`[pP]ort ${port} is in use.*Start this one with ${args[args.length - 2]} N`))
  }

  const help = command(['--help'])
  t.equal(await help.ended, 0)
  t.match(help.printed.out, /--time-scale/)
  for (const [args, env, words] of [[['--port', 'x'], {}, /--port must be a port/], [['exce', '--', 'npm'], {}, /unknown command exce: did you mean exec\?/], [['exec', '--port', '0', '--', 'no-such-command'], {}, /cannot run no-such-command/], [['--port', '0'], { NODE_ENV: 'production' }, /NODE_ENV=production/]] as Array<[string[], object, RegExp]>) {
    const wrong = command(args, { env: env as NodeJS.ProcessEnv })
    t.equal(await wrong.ended, 1)
    t.match(wrong.printed.err, words)
  }
})
