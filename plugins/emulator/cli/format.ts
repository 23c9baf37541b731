/** Formats the command's output. */
import type { Explanation } from '../explain/explanation.ts'
import type { Delivery } from '../state/state.ts'

/** A notification's result in one line. */
export const outcome = ({ reply, error, accepted }: Pick<Delivery, 'reply' | 'error' | 'accepted'>): string =>
  `${accepted ? 'accepted' : 'not accepted'}, ${reply ? `HTTP ${reply.status}` : error ?? 'no answer'}`

export const yuan = (amount: number): string => `¥${Math.floor(amount / 100)}.${String(amount % 100).padStart(2, '0')}`

/** The expected text, the signed text, and the mistake, for a bug report. Contains no secrets. */
export const explained = ({ about, algorithm, expected, implied, signature, mistakes }: Explanation): string => [
  `${about}, ${algorithm}`,
  `signature received: ${signature}`,
  `text to sign:\n${expected}`,
  ...(implied === undefined ? [] : [`text your app signed:\n${implied}`]),
  ...(mistakes.length === 0 ? ['mistake: unknown (none of the common ones)'] : mistakes.map(({ en, zh }) => `mistake: ${en}\n${zh}`))
].join('\n\n')
