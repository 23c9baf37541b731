/** `wechat-emulator exec -- COMMAND`: runs an unmodified program in any language against the emulator. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { EmulatorConfig } from '../control/config.ts'
import { environment } from '../control/environment.ts'
import { TRUST_STORE_PASSWORD, trustFiles } from '../keys/trust-files.ts'
import { writeFiles } from '../server/data.ts'
import { onShutdown } from './shutdown.ts'
import { startProxy } from './proxy.ts'
import type { Running } from './running.ts'

/** Runs the command against this emulator, with key files in a temporary folder. Resolves to its exit code. */
export async function execAgainst ({ base, ask }: Running, command: string[]): Promise<number> {
  const config = await ask<EmulatorConfig>('GET', '/config')
  const { securePort = 0 } = await ask<{ securePort?: number }>('GET', '/health')
  const folder = mkdtempSync(join(tmpdir(), 'wechat-emulator-'))
  const outer = process.env.HTTPS_PROXY ?? process.env.https_proxy
  const host = new URL(base).hostname.replace(/^\[|\]$/g, '')
  const proxy = await startProxy({ host, port: securePort }, outer || undefined)
  try {
    const files = await ask<Record<string, string>>('GET', '/key-files')
    writeFiles(folder, Object.fromEntries(Object.entries(files).map(([name, content]) => [name, Buffer.from(content, 'base64')])))
    writeFiles(folder, { ...trustFiles(config.http.ca, process.env.SSL_CERT_FILE || undefined), 'extra-ca.pem': extraAuthorities(config.http.ca) })
    writeFiles(join(folder, 'php'), { 'wechat-emulator.ini': `curl.cainfo="${join(folder, 'ca-bundle.pem')}"\nopenssl.cafile="${join(folder, 'ca-bundle.pem')}"\n` })
    return await execute(command, environmentOf({ config, origin: base, host, securePort }, { folder, proxy: proxy.url }))
  } finally {
    proxy.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Node options, including the user's own. */
function extraAuthorities (ca: string): string {
  const own = process.env.NODE_EXTRA_CA_CERTS
  return own ? `${readFileSync(own, 'utf8').trim()}\n${ca}` : ca
}

interface Place { config: EmulatorConfig, origin: string, host: string, securePort: number }

/** The program's environment variables. `folder`: the key files; `proxy`: diverts WeChat's hosts to the emulator. */
export function environmentOf ({ config, origin, host, securePort }: Place, { folder, proxy }: { folder: string, proxy: string }, before: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const bundle = join(folder, 'ca-bundle.pem')
  const noProxy = [...new Set(['localhost', '127.0.0.1', '::1', host, ...(before.NO_PROXY ?? before.no_proxy ?? '').split(',').map(name => name.trim()).filter(Boolean)])].join(',')
  const java = { 'https.proxyHost': new URL(proxy).hostname, 'https.proxyPort': new URL(proxy).port, 'javax.net.ssl.trustStore': join(folder, 'truststore.p12'), 'javax.net.ssl.trustStoreType': 'PKCS12', 'javax.net.ssl.trustStorePassword': TRUST_STORE_PASSWORD }
  return {
    ...environment(config),
    WECHAT_EMULATOR_ORIGIN: origin,
    WECHAT_EMULATOR_HOST: host,
    WECHAT_EMULATOR_SECURE_PORT: String(securePort),
    WECHAT_KEYS: folder,
    // SSL_CERT_FILE: Python's httpx and aiohttp, Go, Ruby, .NET, curl; then Python's requests; then curl.
    SSL_CERT_FILE: bundle,
    REQUESTS_CA_BUNDLE: bundle,
    CURL_CA_BUNDLE: bundle,
    NODE_EXTRA_CA_CERTS: join(folder, 'extra-ca.pem'),
    // An empty entry stands for PHP's compiled-in folder.
    PHP_INI_SCAN_DIR: `${before.PHP_INI_SCAN_DIR ?? ''}:${join(folder, 'php')}`,
    JAVA_TOOL_OPTIONS: `${before.JAVA_TOOL_OPTIONS ?? ''} ${Object.entries(java).map(([name, value]) => `-D${name}=${value}`).join(' ')}`.trim(),
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    NO_PROXY: noProxy,
    no_proxy: noProxy,
    // Node processes are redirected at the socket level and keep the previous proxy.
    WECHAT_EMULATOR_PROXY_BEFORE: before.HTTPS_PROXY ?? before.https_proxy ?? ''
  }
}

async function execute (command: string[], env: Record<string, string>): Promise<number> {
  const redirect = fileURLToPath(new URL('../cli/static/redirect.js', import.meta.url))
  const options = `${process.env.NODE_OPTIONS ?? ''} --import ${JSON.stringify(redirect)}`.trim()
  const child = spawn(command[0] as string, command.slice(1), { stdio: 'inherit', env: { ...process.env, ...env, NODE_OPTIONS: options } })
  // Ctrl+C in a terminal reaches both processes, so do not send SIGINT again: a second one would force the command to quit. Wait for the command to end first.
  onShutdown(signal => { if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal) })
  // Later signals are also left to the command.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
  return await new Promise((resolve, reject) => {
    child.once('error', error => reject(new Error(`cannot run ${command[0]}: ${error.message}`)))
    child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0)))
  })
}
