/** The published client `tenpay` in a separate process, because NODE_EXTRA_CA_CERTS is only read at startup. */
import { createRequire } from 'node:module'

interface Tenpay { urls: Record<string, string>, [call: string]: unknown }

const Client = createRequire(import.meta.url)('tenpay') as new (config: object) => Tenpay

const { config, origin, calls } = JSON.parse(process.argv[2] ?? '{}')
const tenpay = new Client({ ...config, pfx: Buffer.from(config.pfx, 'base64') })
for (const [name, url] of Object.entries(tenpay.urls)) tenpay.urls[name] = url.replace(/^https:\/\/[^/]+/, origin)

const answers: unknown[] = []
for (const [name, params] of calls) {
  answers.push(await (tenpay[name] as (params: object) => Promise<object>)(params).catch((error: Error) => ({ error: error.message })))
}
console.log(JSON.stringify(answers))
