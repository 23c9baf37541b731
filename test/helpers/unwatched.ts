/**
 * Arguments for `env` that run a command as in a user's shell: tap adds its coverage to every child's NODE_OPTIONS,
 * and files compiled by other loaders (tsx, dist) would lower the measured coverage.
 */
export const unwatched = (command: string, args: readonly string[]): string[] =>
  ['-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE', command, ...args]
