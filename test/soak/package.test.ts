/** The packed package, installed next to fastify, imported and required. */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { pack, root, run } from '../helpers/packed.ts'

t.test('packed, imported and required', async t => {
  const dir = t.testdir()
  const { tarball, paths, manifest } = pack(dir)
  const allowed = /^(?:dist\/(?:src|plugins)\/.*\.js|dist\/types\/(?:src|plugins)\/.*\.d\.ts|dist\/plugins\/emulator\/(?:cli|control)\/static\/[\w.]+|package\.json|README\.md|README\.zh-CN\.md|CHANGELOG\.md|LICENSE)$/
  t.same(paths.filter(path => !allowed.test(path)), [], 'E3 contains only the files that users need')
  for (const script of ['preinstall', 'install', 'postinstall']) t.notOk(script in manifest.scripts, `E3 no ${script} script`)

  // In a separate package; otherwise the name would resolve to the repository.
  writeFileSync(join(dir, 'package.json'), '{ "private": true }')
  const modules = join(dir, 'node_modules')
  mkdirSync(join(modules, 'fastify-wechat-pay'), { recursive: true })
  run('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, 'fastify-wechat-pay')], dir)
  const installed = paths.map(path => readFileSync(join(modules, 'fastify-wechat-pay', path), 'utf8')).join('\n')
  t.notMatch(installed, /BEGIN [A-Z ]*PRIVATE KEY-----\s+[0-9A-Za-z+/]{16}/, 'E3 holds no key')
  mkdirSync(join(modules, '@fastify'), { recursive: true })
  for (const name of ['fastify', ...Object.keys(manifest.dependencies)]) symlinkSync(join(root, 'node_modules', name), join(modules, name))

  const account = { appId: 'wx0123456789abcdef', appSecret: 'c0ffee00c0ffee00c0ffee00c0ffee42' }
  writeFileSync(join(dir, 'esm.mjs'), `
    import Fastify from 'fastify'
    import wechatPay, { WechatError } from 'fastify-wechat-pay'
    const app = Fastify()
    await app.register(wechatPay, ${JSON.stringify(account)})
    const names = []
    for (const name of ['token', 'oauth', 'jssdk', 'mini-program', 'pay', 'notify', 'reconcile', 'emulator']) names.push(typeof (await import('fastify-wechat-pay/' + name)).default)
    names.push(typeof (await import('fastify-wechat-pay/core')).signV2, typeof WechatError, typeof app.wechatJssdk.config)
    console.log(new Set(names).size, [...names][0], names.length)`)
  t.equal(run(process.execPath, ['esm.mjs'], dir).trim(), '1 function 11')
  writeFileSync(join(dir, 'cjs.cjs'), `
    const app = require('fastify')()
    const { default: jssdk } = require('fastify-wechat-pay/jssdk')
    app.register(jssdk, ${JSON.stringify(account)})
    app.register(require('fastify-wechat-pay/token'), { ...${JSON.stringify(account)}, namespace: 'x' })
    app.ready().then(() => console.log(app.printRoutes().includes('jssdk'), Object.keys(app.wechatToken).includes('x')), error => console.log(error.message))`)
  t.equal(run(process.execPath, ['cjs.cjs'], dir).trim(), 'true true')

  writeFileSync(join(dir, 'loaded.mjs'), `
    await import('fastify-wechat-pay/jssdk')
    const { default: { _cache } } = await import('node:module')
    console.log(Object.keys(_cache).filter(path => /fast-xml-parser|emulator/.test(path)).length)`)
  t.equal(run(process.execPath, ['loaded.mjs'], dir).trim(), '0', 'jssdk alone loads no XML, payment or emulator code')

  // The doctor by the name that npm links; it does not need the emulator.
  const { bin } = JSON.parse(readFileSync(join(modules, 'fastify-wechat-pay/package.json'), 'utf8')) as { bin: Record<string, string> }
  t.same(Object.keys(bin), ['wechat-doctor', 'wechat-emulator'])
  const doctor = join(modules, 'fastify-wechat-pay', bin['wechat-doctor'] as string)
  t.match(readFileSync(doctor, 'utf8'), /^#!\/usr\/bin\/env node\n/)
  cpSync(join(modules, 'fastify-wechat-pay'), join(dir, 'lean/node_modules/fastify-wechat-pay'), { recursive: true })
  const withoutEmulator = join(dir, 'lean/node_modules/fastify-wechat-pay/dist')
  rmSync(join(withoutEmulator, 'plugins/emulator'), { recursive: true })
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(dir, 'lean/node_modules', name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(dir, 'lean/node_modules', name))
  }
  const examined = JSON.parse(run('env', ['WECHAT_APP_ID=wx0123456789abcdef', `WECHAT_APP_SECRET=${account.appSecret}`, process.execPath, join(withoutEmulator, 'plugins/doctor/cli.js'), '--offline', '--json'], dir)) as { ok: boolean, checks: Array<{ id: string, status: string }> }
  t.match(examined, { ok: true, checks: [{ id: 'keys.app-id', status: 'passed' }] })
  // Importing core does not load the doctor.
  rmSync(join(withoutEmulator, 'src/doctor'), { recursive: true })
  writeFileSync(join(dir, 'lean/core.mjs'), 'import { diagnose, signV2 } from \'fastify-wechat-pay/core\'; console.log(typeof signV2, await diagnose({}).catch(error => error.code))')
  t.equal(run(process.execPath, ['core.mjs'], join(dir, 'lean')).trim(), 'function ERR_MODULE_NOT_FOUND')

  // Types, as each kind of project resolves them, with skipLibCheck: false.
  mkdirSync(join(modules, '@types'), { recursive: true })
  symlinkSync(join(root, 'node_modules/@types/node'), join(modules, '@types/node'))
  const use = `
    declare module 'fastify-wechat-pay' {
      interface WechatNamespaces { second: true }
    }
    const app = Fastify()
    async function start (): Promise<void> {
      await app.register(wechatPay, { appId: 'wx1', appSecret: 's', onLogin: user => { const openid: string = user.openid; return openid.length } })
      await app.register(jssdk, { appId: 'wx1', appSecret: 's', namespace: 'second' })
      const config: JssdkConfig = await app.wechatJssdk.second.config('https://shop.test/')
      // @ts-expect-error a misspelt member is no namespace
      app.wechatReconcile.stauts()
      // @ts-expect-error nor is a name that was not declared
      app.wechatPay.third
      const token: string = await app.wechatToken.get()
      const signature: string = signV2({ a: token }, 'key', 'MD5')
      const emulator: Emulator = await createEmulator({ seed: 'x' })
      // @ts-expect-error an amount is a number
      await app.wechatPay.jsapi({ outTradeNo: 'A1', description: 'x', amount: '1', openid: 'o' })
      console.log(config.signature, signature, emulator.origin)
    }
    export { start }`
  const imports = `
    import Fastify from 'fastify'
    import wechatPay from 'fastify-wechat-pay'
    import jssdk from 'fastify-wechat-pay/jssdk'
    import type { JssdkConfig } from 'fastify-wechat-pay/jssdk'
    import { signV2 } from 'fastify-wechat-pay/core'
    import { createEmulator } from 'fastify-wechat-pay/emulator'
    import type { Emulator } from 'fastify-wechat-pay/emulator'`
  const requires = `
    import Fastify = require('fastify')
    import wechatPayModule = require('fastify-wechat-pay')
    import jssdkModule = require('fastify-wechat-pay/jssdk')
    import core = require('fastify-wechat-pay/core')
    import emulatorModule = require('fastify-wechat-pay/emulator')
    const { default: wechatPay } = wechatPayModule
    const { default: jssdk } = jssdkModule
    const { signV2 } = core
    const { createEmulator } = emulatorModule
    type JssdkConfig = jssdkModule.JssdkConfig
    type Emulator = emulatorModule.Emulator`
  writeFileSync(join(dir, 'types.mts'), imports + use)
  writeFileSync(join(dir, 'types.cts'), requires + use)
  writeFileSync(join(dir, 'bundled.ts'), imports + use)
  const tsc = (...args: string[]) => run(join(root, 'node_modules/.bin/tsc'), ['--strict', '--noEmit', '--target', 'es2023', '--types', 'node', '--skipLibCheck', 'false', ...args], dir)
  const check = (name: string, args: readonly string[]) => {
    try {
      tsc(...args)
      t.pass(name)
    } catch (error) {
      t.fail(`${name}: ${(error as { stdout: string }).stdout.slice(0, 2000)}`)
    }
  }
  check('nodenext, ESM', ['--module', 'nodenext', 'types.mts'])
  check('nodenext, CommonJS', ['--module', 'nodenext', 'types.cts'])
  check('bundler', ['--module', 'esnext', '--moduleResolution', 'bundler', 'bundled.ts'])
})
