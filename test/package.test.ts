/** The package as its users get it: packed, installed beside fastify, imported and required. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pack, root, run } from './helpers/packed.ts'

t.test('packed, imported and required', async t => {
  const dir = t.testdir()
  const { tarball, paths, manifest } = pack(dir)
  const allowed = /^(?:dist\/(?:src|plugins)\/.*\.(?:js|d\.ts)|dist\/plugins\/emulator\/static\/[\w.]+|package\.json|README\.md|README\.zh-CN\.md|CHANGELOG\.md|LICENSE)$/
  t.same(paths.filter(path => !allowed.test(path)), [], 'E3 holds only what users need')
  for (const script of ['preinstall', 'install', 'postinstall']) t.notOk(script in manifest.scripts, `E3 no ${script} script`)

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
    for (const name of ['token', 'oauth', 'jssdk', 'pay', 'notify', 'reconcile', 'emulator']) names.push(typeof (await import('fastify-wechat-pay/' + name)).default)
    names.push(typeof (await import('fastify-wechat-pay/core')).signV2, typeof WechatError, typeof app.wechatJssdk.config)
    console.log(new Set(names).size, [...names][0], names.length)`)
  t.equal(run(process.execPath, ['esm.mjs'], dir).trim(), '1 function 10')
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
})
