/** A queue that retries jobs until they succeed, in the Redis that the server uses anyway. */
import { Queue } from 'bullmq'
import type { ConnectionOptions } from 'bullmq'

export const FULFIL = 'fulfil'

export function openQueue (connection: ConnectionOptions) {
  const queue = new Queue<{ key: string }>(FULFIL, {
    connection,
    // Remove finished jobs: the database has the result, and the id may be needed again.
    defaultJobOptions: { attempts: 20, backoff: { type: 'exponential', delay: 1000 }, removeOnComplete: true, removeOnFail: true }
  })

  return {
    /** One job per key. BullMQ does not accept ids that are all digits or contain a colon. */
    async ask (key: string): Promise<void> {
      await queue.add(FULFIL, { key }, { jobId: `paid-${key.replaceAll(':', '-')}` })
    },
    close: () => queue.close()
  }
}

export type FulfilQueue = ReturnType<typeof openQueue>
