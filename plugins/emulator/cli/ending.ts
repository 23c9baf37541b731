/** When the command has to end: Ctrl+C, a signal, or npm gone that started it. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Milliseconds between two looks at the parent process. */
const LOOK = 250

export type EndSignal = typeof SIGNALS[number]

/**
 * Calls `end` once. npm runs a command in a shell and passes a signal on to that shell alone: the shell dies, and its
 * child would go on unseen with its ports taken. Under npm the parent process is therefore watched.
 */
export function whenToEnd (end: (signal: EndSignal) => void): void {
  const parent = process.ppid
  const once = (signal: EndSignal) => {
    clearInterval(watch)
    // The next signal of each kind ends the process at once.
    for (const name of SIGNALS) process.off(name, once)
    end(signal)
  }
  for (const name of SIGNALS) process.on(name, once)
  const watch = process.env.npm_execpath === undefined ? undefined : setInterval(() => { if (process.ppid !== parent) once('SIGTERM') }, LOOK).unref()
}
