/** Returns the result of `work` if it finishes in time. @throws what `work` throws; `late()` after `ms` milliseconds, while the work continues and its result is ignored */
export async function withTimeout<T> (ms: number, work: () => Promise<T>, late: () => Error): Promise<T> {
  const running = work()
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), ms)
  })
  return await Promise.race([running, tooLate]).finally(() => clearTimeout(timer))
}
