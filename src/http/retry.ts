import { setTimeout as sleep } from 'node:timers/promises'

export interface RetryPolicy {
  /** Maximum number of retries. */
  retries: number
  /** Milliseconds before the first retry, approximately; doubled before each further one. */
  delay: number
  /** Whether to retry after this error: it may pass, and a repeat is safe. */
  shouldRetry (error: unknown): boolean
}

/** Returns the result of `work`, from the first attempt or a retry. @throws the error of the last attempt */
export async function retry<T> (work: (attempt: number) => Promise<T>, policy: RetryPolicy, attempt = 0): Promise<T> {
  try {
    return await work(attempt)
  } catch (error) {
    if (attempt >= policy.retries || !policy.shouldRetry(error)) throw error
  }
  // Jitter, so that callers that failed together do not retry together.
  await sleep(policy.delay * 2 ** attempt * (0.5 + Math.random()))
  return await retry(work, policy, attempt + 1)
}
