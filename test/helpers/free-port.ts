import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

/**
 * An unused port, for programs that cannot use port 0 and for addresses without a server. Below the ephemeral range,
 * so that the system does not assign it to another test.
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
