/** How much slower than on an idle machine this process started: 1 or more. */
const slowness = Math.max(1, performance.now() / 1000)

/** Scales a timeout in milliseconds for a busy machine. */
export const patience = (ms: number): number => Math.ceil(ms * slowness)
