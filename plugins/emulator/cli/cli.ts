#!/usr/bin/env node
/** `wechat-emulator`: runs the emulator alone or around another command, or controls a running one. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Emulator } from '../server/emulator.ts'
import { VERSION } from '../state/version.ts'
import { onShutdown } from './shutdown.ts'
import { findRunning } from './running.ts'
import type { Running } from './running.ts'
import { readSettings, USAGE } from './settings.ts'
import type { Settings } from './settings.ts'
import { VERBS } from './verbs.ts'

try {
  const settings = readSettings(process.argv.slice(2), process.env)
  if (settings.help) console.log(USAGE)
  else if (settings.version) console.log(VERSION)
  else if (settings.verb) await use(settings, settings.verb)
  else if (settings.command) process.exitCode = await run(settings, settings.command)
  else await serve(settings.options)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}

type Options = Settings['options']

// Loaded on demand, so that `pay` and `health` start fast.
async function createEmulator (options: Options): Promise<Emulator> {
  try {
    return await (await import('../server/emulator.ts')).createEmulator(options)
  } catch (error) {
    throw (error as PortTaken).code === 'EADDRINUSE' ? await portTaken(error as PortTaken, options) : error
  }
}

type PortTaken = NodeJS.ErrnoException & { option?: string }

/** The error for a port in use: the flag to change, and whether an emulator listens there. */
async function portTaken ({ message, option }: PortTaken, { host = '127.0.0.1', port = 0 }: Options): Promise<Error> {
  const flag = option === 'securePort' ? '--secure-port' : '--port'
  const { askHealth } = await import('../server/lock.ts')
  const origin = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  const health = option === 'securePort' ? undefined : await askHealth(origin)
  const isEmulator = health !== undefined && health !== 'silent'
  return new Error(`${message}. ${isEmulator ? `An emulator is running there: ${origin}/_emulator/dashboard. Use that one, or start` : 'Start'} this one with ${flag} N (0: any free port)`)
}

async function serve (options: Options): Promise<void> {
  const emulator = await createEmulator(options)
  // Does not wait for requests in progress.
  onShutdown(() => { emulator.close().finally(() => process.exit()) })
  console.log(banner(emulator, options))
}

async function use (settings: Settings, { name, words, flags }: NonNullable<Settings['verb']>): Promise<void> {
  const running = await findRunning(settings)
  if (!running) throw new Error(`no emulator is running${settings.options.data === undefined ? ` at port ${settings.options.port}` : ` on ${settings.options.data}`}: start one with wechat-emulator, or set its address with --url`)
  await VERBS[name]?.run(running, words, flags)
}

async function run (settings: Settings, command: string[]): Promise<number> {
  const { options, describing, account } = settings
  const { execAgainst } = await import('./exec.ts')
  const running = await findRunning(settings)
  if (running) {
    if (describing.length > 0) throw new Error(`an emulator is already running at ${running.base}, and --${describing[0]} only applies to a new one: leave it out, or start another with --port 0`)
    console.error(`WeChat emulator: ${running.base}/_emulator/dashboard (already running)`)
    return await execAgainst(running, command)
  }
  const emulator = await createEmulator(options)
  try {
    console.error(`WeChat emulator: ${emulator.origin}/_emulator/dashboard`)
    const own = await findRunning({ ...settings, url: emulator.origin, account }) as Running
    return await execAgainst(own, command)
  } finally {
    await emulator.close()
  }
}

interface Way { name: [en: string, zh: string], code: string, note: [en: string, zh: string] }

function banner ({ origin, config, openPlatformConfig: openPlatform }: Emulator, { data, accounts = [] }: Options): string {
  const { appId, appSecret, merchant: { mchId, v2, v3 }, endpoints } = config
  // The dashboard shows these as well.
  const ways = JSON.parse(readFileSync(new URL('../control/static/connect.json', import.meta.url), 'utf8')) as Way[]
  const platform = openPlatform && `  platform       component_appid ${openPlatform.componentAppId}   secret ${openPlatform.componentAppSecret}
                 token ${openPlatform.token}   EncodingAESKey ${openPlatform.encodingAesKey}\n`
  return `WeChat emulator on ${origin}

  dashboard      ${origin}/_emulator/dashboard
  account        appId ${appId}   AppSecret ${appSecret}
  merchant       mchId ${mchId}   v2 API key ${v2.apiKey}
                 APIv3 key ${v3.apiV3Key}   serial_no ${v3.serialNo}
                 public key id ${v3.publicKeyId ?? '(platform certificates)'}
  base URLs      api and open ${endpoints.api}   payments ${endpoints.pay}
${platform ?? ''}  key files      ${data === undefined ? `in ${origin}/_emulator/config, or as files with --data DIR` : join(resolve(data), '{ca,apiclient_cert,apiclient_key,pub_key}.pem, apiclient_cert.p12')}${accounts.map(({ name }) => `\n  account ${name}  ${origin}/${name}/_emulator/config`).join('')}

Generated for this emulator only. To connect an app:

${ways.map(({ name: [name], code, note: [note] }) => `  ${name.padEnd(16)} ${code.replace('{origin}', origin)}\n${' '.repeat(19)}${note}`).join('\n')}`
}
