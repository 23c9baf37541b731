/** How many times slower than on a quiet machine this process has started: 1 or more. */
const slowness = Math.max(1, performance.now() / 1000)

/** Milliseconds for a time-out that a test waits for, or that must not strike before it is due: longer on a busy machine. */
export const patience = (ms: number): number => Math.ceil(ms * slowness)
