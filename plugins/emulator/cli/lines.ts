/** Formats the command's output. */
import type { Delivery } from '../state/state.ts'

/** A notification's result in one line. */
export const outcome = ({ reply, error, accepted }: Pick<Delivery, 'reply' | 'error' | 'accepted'>): string =>
  `${accepted ? 'accepted' : 'not accepted'}, ${reply ? `HTTP ${reply.status}` : error ?? 'no answer'}`

export const yuan = (amount: number): string => `¥${Math.floor(amount / 100)}.${String(amount % 100).padStart(2, '0')}`
