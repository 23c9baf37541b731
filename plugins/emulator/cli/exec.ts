/** `wechat-emulator exec -- COMMAND`: a program that knows only WeChat's hosts, run against the emulator. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Emulator } from '../server/emulator.ts'

/** A folder for the key files where the user named none. */
export function temporaryData (): { dir: string, remove (): void } {
  const dir = mkdtempSync(join(tmpdir(), 'wechat-emulator-'))
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

/** What a program finds in its environment. `data`: where the key files are. */
export function environmentOf ({ config, securePort, origin }: Pick<Emulator, 'config' | 'securePort' | 'origin'>, data: string): Record<string, string> {
  const { merchant: { mchId, v2, v3 } } = config
  return {
    WECHAT_EMULATOR_ORIGIN: origin,
    WECHAT_EMULATOR_SECURE_PORT: String(securePort),
    NODE_EXTRA_CA_CERTS: join(data, 'ca.pem'),
    WECHAT_APP_ID: config.appId,
    WECHAT_APP_SECRET: config.appSecret,
    WECHAT_MCH_ID: mchId,
    WECHAT_API_KEY: v2.apiKey,
    WECHAT_API_V3_KEY: v3.apiV3Key,
    WECHAT_SERIAL_NO: v3.serialNo,
    WECHAT_PUBLIC_KEY_ID: v3.publicKeyId ?? '',
    WECHAT_KEYS: data
  }
}

/** Resolves to the command's exit code. */
export async function execute (command: string[], env: Record<string, string>): Promise<number> {
  const redirect = fileURLToPath(new URL('./static/redirect.js', import.meta.url))
  const options = `${process.env.NODE_OPTIONS ?? ''} --import ${JSON.stringify(redirect)}`.trim()
  const child = spawn(command[0] as string, command.slice(1), { stdio: 'inherit', env: { ...process.env, ...env, NODE_OPTIONS: options } })
  // The terminal's Ctrl+C reaches both by itself, and a second one would be taken for impatience. Either way the command ends first.
  process.on('SIGINT', () => { if (!process.stdin.isTTY) child.kill('SIGINT') })
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return await new Promise((resolve, reject) => {
    child.once('error', error => reject(new Error(`cannot run ${command[0]}: ${error.message}`)))
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)))
  })
}
