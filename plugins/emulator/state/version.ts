/** Which release this is. */
import { createRequire } from 'node:module'

// By its own name, since sources and build lie at different depths.
export const VERSION: string = (createRequire(import.meta.url)('fastify-wechat-pay/package.json') as { version: string }).version
