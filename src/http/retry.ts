import { setTimeout as sleep } from 'node:timers/promises'

export interface RetryPolicy {
  /** How often the work is tried again at most. */
  retries: number
  /** Milliseconds before the first repeat, about; twice as long before each further one. */
  delay: number
  /** Whether this error may pass, and a repeat does no harm. */
  again (error: unknown): boolean
}

/** What `work` answers, now or at a later try. @throws the error of the last try */
export async function retry<T> (work: (attempt: number) => Promise<T>, policy: RetryPolicy, attempt = 0): Promise<T> {
  try {
    return await work(attempt)
  } catch (error) {
    if (attempt >= policy.retries || !policy.again(error)) throw error
  }
  // A little different for each caller, so that those who failed together do not come back together.
  await sleep(policy.delay * 2 ** attempt * (0.5 + Math.random()))
  return await retry(work, policy, attempt + 1)
}
