/**
 * Arguments for `env` that run a command as a user's shell would: tap puts its watcher into every child's NODE_OPTIONS,
 * and what other loaders compile (tsx) or build (dist) would be counted against the sources' coverage.
 */
export const unwatched = (command: string, args: readonly string[]): string[] =>
  ['-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE', command, ...args]
