#!/usr/bin/env node
/** `wechat-emulator`: the emulator by itself, or around another command. */
import { join, resolve } from 'node:path'
import { createEmulator } from '../server/emulator.ts'
import type { Emulator } from '../server/emulator.ts'
import { environmentOf, execute, temporaryData } from './exec.ts'
import { readSettings, USAGE } from './settings.ts'

try {
  const { options, command, help } = readSettings(process.argv.slice(2), process.env)
  if (help) console.log(USAGE)
  else if (command) process.exitCode = await run(command, options)
  else await serve(options)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}

type Options = ReturnType<typeof readSettings>['options']

async function serve (options: Options): Promise<void> {
  const emulator = await createEmulator(options)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, emulator.close)
  console.log(greeting(emulator, options))
}

async function run (command: string[], options: Options): Promise<number> {
  const temporary = options.data === undefined ? temporaryData() : undefined
  const data = resolve(options.data ?? (temporary?.dir as string))
  const emulator = await createEmulator({ ...options, data })
  try {
    console.error(`WeChat emulator: ${emulator.origin}/_emulator/dashboard`)
    return await execute(command, environmentOf(emulator, data))
  } finally {
    await emulator.close()
    temporary?.remove()
  }
}

function greeting ({ origin, config, securePort }: Emulator, { data, accounts = [] }: Options): string {
  const { appId, appSecret, merchant: { mchId, v2, v3 } } = config
  return `WeChat emulator on ${origin}

  dashboard      ${origin}/_emulator/dashboard
  account        appId ${appId}   AppSecret ${appSecret}
  merchant       mchId ${mchId}   v2 API key ${v2.apiKey}
                 APIv3 key ${v3.apiV3Key}   serial_no ${v3.serialNo}
                 public key id ${v3.publicKeyId ?? '(platform certificates)'}
  key files      ${data === undefined ? `in ${origin}/_emulator/config, or as PEM with --data DIR` : join(resolve(data), '{ca,apiclient_cert,apiclient_key,pub_key}.pem')}${accounts.map(({ name }) => `\n  account ${name}  ${origin}/${name}/_emulator/config`).join('')}

Made up, for this emulator only. To point an app at it:

  this library   spread what ${origin}/_emulator/config answers into the plugins' options
  base URL       api and open: ${origin}   payments: ${config.endpoints.pay} (trust its CA)
  any Node app   wechat-emulator exec -- npm start
  any client     HTTPS_PROXY=${origin}, or a hosts entry for WeChat's hosts and --secure-port 443 (now ${securePort})
  in your page   <script src="${origin}/_emulator/bridge.js"></script> before WeChat's own script`
}
