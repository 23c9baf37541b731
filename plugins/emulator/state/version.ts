/** The package's version. */
import { createRequire } from 'node:module'

// Resolved by package name, because sources and build are at different depths.
export const VERSION: string = (createRequire(import.meta.url)('fastify-wechat-pay/package.json') as { version: string }).version
