/** Jobs that are repeated until they are done, in the Redis that is there anyway. */
import { Queue } from 'bullmq'
import type { ConnectionOptions } from 'bullmq'

export const FULFIL = 'fulfil'

export function openQueue (connection: ConnectionOptions) {
  const queue = new Queue<{ key: string }>(FULFIL, {
    connection,
    // Nothing is kept of a job that has ended: the books know, and an id may come again.
    defaultJobOptions: { attempts: 20, backoff: { type: 'exponential', delay: 1000 }, removeOnComplete: true, removeOnFail: true }
  })

  return {
    /** One job for a key, however often it is asked for. BullMQ takes no id of digits only, and none with a colon. */
    async ask (key: string): Promise<void> {
      await queue.add(FULFIL, { key }, { jobId: `paid-${key.replaceAll(':', '-')}` })
    },
    close: () => queue.close()
  }
}

export type FulfilQueue = ReturnType<typeof openQueue>
