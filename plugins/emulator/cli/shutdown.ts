/** Detects when the command must end: Ctrl+C, a signal, or the exit of the npm that started it. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Milliseconds between checks of the parent process. */
const CHECK_INTERVAL = 250

export type EndSignal = typeof SIGNALS[number]

/**
 * Calls `end` once. npm runs a command in a shell and forwards signals only to that shell: the shell exits, and its
 * child would keep running and occupy its ports. Therefore the parent process is watched under npm.
 */
export function onShutdown (end: (signal: EndSignal) => void): void {
  const parent = process.ppid
  const once = (signal: EndSignal) => {
    clearInterval(watch)
    // A second signal of the same kind ends the process immediately.
    for (const name of SIGNALS) process.off(name, once)
    end(signal)
  }
  for (const name of SIGNALS) process.on(name, once)
  const watch = process.env.npm_execpath === undefined ? undefined : setInterval(() => { if (process.ppid !== parent) once('SIGTERM') }, CHECK_INTERVAL).unref()
}
