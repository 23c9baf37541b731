import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

/**
 * A port that nothing listens at, for what cannot take port 0 or must not be there at all. Below those that the system
 * gives away by itself, so that no other test gets it by chance meanwhile.
 */
export async function freePort (): Promise<number> {
  for (;;) {
    const probe = createServer().listen(10_000 + Math.floor(Math.random() * 22_000), '127.0.0.1')
    const free = await Promise.race([once(probe, 'listening').then(() => true), once(probe, 'error').then(() => false)]).catch(() => false)
    if (!free) continue
    const { port } = probe.address() as AddressInfo
    probe.close()
    await once(probe, 'close')
    return port
  }
}
