/** The doctor's output as a picture: an address missing from the whitelist, an incomplete chain, a Redis that evicts locks. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { textOf } from '../../plugins/doctor/text.ts'
import { diagnose } from '../../src/index.ts'
import { forwarded, healthy, spoilingProxy } from './doctor.ts'
import { startRedis } from './redis.ts'

/** SGR codes of the output, as CSS. */
const STYLES: Record<string, string> = { 32: 'color:#4ec07f', '1;31': 'color:#ff6b60;font-weight:bold', 33: 'color:#e3b341', 2: 'color:#8a9199', 1: 'font-weight:bold' }

/** The diagnosis of one configuration, shown on `page` in this language. */
export async function showDiagnosis (t: Parameters<typeof healthy>[0], page: Page, lang: 'en' | 'zh'): Promise<void> {
  const { emulator, options, settings, tls, inner } = await healthy(t)
  const dir = mkdtempSync(join(tmpdir(), 'doctor-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const server = await startRedis(['--appendonly', 'yes', '--dir', dir, '--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'])
  t.teardown(server.stop)
  const incomplete = await spoilingProxy(t, inner, { request: forwarded }, { key: tls.key, cert: tls.cert })
  await emulator.fault({ kind: '40164', path: '/cgi-bin/stable_token', times: 1 })
  const start = performance.now()
  const diagnosis = await diagnose({ ...options, redis: server.client(), merchant: { ...options.merchant, notifyUrl: `${incomplete}/wechat/notify` }, origin: incomplete }, { ...settings, lang })
  const text = `\x1b[2m$ npx wechat-doctor --config wechat.mjs\x1b[0m\n\n${textOf(diagnosis, { lang, color: true, seconds: (performance.now() - start) / 1000 })}`
  const html = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replace(/\x1b\[([\d;]+)m([^\x1b]*)\x1b\[0m/g, (_, code: string, words: string) => `<span style="${STYLES[code]}">${words}</span>`)
  await page.setContent(`<meta charset="utf-8"><body style="margin:0;background:#1b1e21;color:#e8eaec"><pre style="display:inline-block;margin:0;padding:24px;font:14px/1.5 'DejaVu Sans Mono','Noto Sans Mono CJK SC',monospace">${html}</pre>`)
}
