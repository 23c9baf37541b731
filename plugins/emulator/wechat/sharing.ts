/** Profit sharing for v2 and v3: receivers, shares, returns, and the remaining amount. */
import { chinaTime, orderKey } from '../state/state.ts'
import type { Order, State } from '../state/state.ts'
import type { Timers } from '../state/timers.ts'
import type { V2Orders } from './v2/orders.ts'
import type { V2Refunds } from './v2/refunds.ts'

export interface ShareReceiver { type: string, account: string, amount: number, description: string, detail_id: string }

export interface Share {
  out_order_no: string
  order_id: string
  sub_mch_id: string
  transaction_id: string
  receivers: ShareReceiver[]
  /** The rest goes to the merchant, and nothing more can be shared. */
  unfreeze: boolean
  description: string
  state: 'PROCESSING' | 'FINISHED'
  /** `yyyyMMddHHmmss` in China. */
  created: string
  finished: string
  notify_url: string
}

export interface ShareReturn {
  out_return_no: string
  return_id: string
  order_id: string
  out_order_no: string
  sub_mch_id: string
  account: string
  amount: number
  description: string
  at: string
}

/** The maximum that may be shared, per ten thousand, unless the merchant has agreed on more with WeChat. */
export const MAX_RATIO = 3000
/** How long a share is processed, in seconds times `timeScale`. */
const DURATION = 60
/** `finish_time` of an unfinished share, as recorded. */
export const NOT_YET = '19700101080000'

export type ShareProblem = 'no-order' | 'not-shared' | 'busy' | 'no-receiver' | 'over-ratio' | 'not-enough' | 'repeated-otherwise'

export interface SharingParts {
  orders: V2Orders
  refunds: V2Refunds
  after: Timers['after']
  /** Called for each receiver of a finished share. */
  shared (share: Share, receiver: ShareReceiver): void
  /** Called for each return. */
  takenBack (back: ShareReturn, share: Share): void
}

export function createSharing (state: State, { orders, refunds, after, shared, takenBack }: SharingParts) {
  const receivers = state.memory.table<true>('receivers')
  const shares = state.memory.table<Share>('profitShares')
  const returns = state.memory.table<ShareReturn>('profitReturns')
  const ofTransaction = new Map<string, Share[]>()
  const index = (share: Share) => ofTransaction.set(share.transaction_id, [...ofTransaction.get(share.transaction_id) ?? [], share])
  for (const share of shares.values()) {
    index(share)
    if (share.state === 'PROCESSING') after(DURATION, () => finish(share))
  }

  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
  const sharesOf = (id: string) => ofTransaction.get(id) ?? []
  const sharedOf = (id: string) => sum(sharesOf(id).flatMap(share => share.receivers.map(({ amount }) => amount)))

  /** Integer fen that can still be shared. */
  function left (order: Order): number {
    return sharesOf(order.transaction_id).some(({ unfreeze }) => unfreeze) ? 0 : refunds.left(order) - sharedOf(order.transaction_id)
  }

  function finish (share: Share): void {
    if (share.state === 'FINISHED') return
    share.state = 'FINISHED'
    share.finished = chinaTime(state.now())
    for (const receiver of share.receivers) shared(share, receiver)
  }

  function share (wanted: Pick<Share, 'out_order_no' | 'sub_mch_id' | 'transaction_id' | 'unfreeze' | 'description' | 'notify_url'> & { receivers: Array<Omit<ShareReceiver, 'detail_id'>> }): Share | ShareProblem {
    const key = orderKey(wanted.out_order_no, wanted.sub_mch_id)
    const fingerprint = ({ transaction_id: id, unfreeze, receivers: list }: Pick<Share, 'transaction_id' | 'unfreeze'> & { receivers: Array<Omit<ShareReceiver, 'detail_id'>> }) =>
      JSON.stringify([id, unfreeze, list.map(({ type, account, amount, description }) => [type, account, amount, description])])
    const before = shares.get(key)
    if (before && fingerprint(before) === fingerprint(wanted)) return before
    const order = orders.named({ transaction_id: wanted.transaction_id }, wanted.sub_mch_id)
    if (!order || order.transaction_id === '') return 'no-order'
    if (!order.profit_sharing) return 'not-shared'
    if (wanted.receivers.some(({ account }) => !receivers.has(account))) return 'no-receiver'
    if (before) return 'repeated-otherwise'
    const amount = sum(wanted.receivers.map(({ amount }) => amount))
    if (sharedOf(order.transaction_id) + amount > Math.floor(order.total_fee * MAX_RATIO / 10_000)) return 'over-ratio'
    if (amount > left(order)) return 'not-enough'
    const isUnfreezeOnly = wanted.receivers.length === 0
    const made: Share = {
      ...wanted,
      receivers: wanted.receivers.map(receiver => ({ ...receiver, detail_id: `3601${state.random.digits(24)}` })),
      order_id: `3008${state.random.digits(24)}`,
      state: isUnfreezeOnly ? 'FINISHED' : 'PROCESSING',
      created: chinaTime(state.now()),
      finished: isUnfreezeOnly ? chinaTime(state.now()) : ''
    }
    shares.set(key, made)
    index(made)
    state.balance -= amount
    orders.note(order, wanted.unfreeze && isUnfreezeOnly ? 'profit unfrozen' : 'profit shared')
    // Unfreezing the rest also ends the shares still being processed.
    if (wanted.unfreeze && isUnfreezeOnly) sharesOf(order.transaction_id).forEach(finish)
    if (!isUnfreezeOnly) after(DURATION, () => finish(made))
    return made
  }

  function takeBack (wanted: Pick<ShareReturn, 'out_return_no' | 'sub_mch_id' | 'account' | 'amount' | 'description'> & { out_order_no?: string, order_id?: string }): ShareReturn | ShareProblem {
    const key = orderKey(wanted.out_return_no, wanted.sub_mch_id)
    const of = wanted.out_order_no ? shares.get(orderKey(wanted.out_order_no, wanted.sub_mch_id)) : [...shares.values()].find(({ order_id: id }) => id === wanted.order_id)
    if (!of) return 'no-order'
    const before = returns.get(key)
    if (before) return before.amount === wanted.amount && before.account === wanted.account && before.out_order_no === of.out_order_no ? before : 'repeated-otherwise'
    const returned = sum([...returns.values()].filter(back => back.order_id === of.order_id).map(({ amount }) => amount))
    if (!(wanted.amount > 0) || wanted.amount > sum(of.receivers.map(({ amount }) => amount)) - returned) return 'not-enough'
    const back: ShareReturn = { out_return_no: wanted.out_return_no, return_id: `3108${state.random.digits(24)}`, order_id: of.order_id, out_order_no: of.out_order_no, sub_mch_id: wanted.sub_mch_id, account: wanted.account, amount: wanted.amount, description: wanted.description, at: chinaTime(state.now()) }
    returns.set(key, back)
    state.balance += back.amount
    takenBack(back, of)
    return back
  }

  return {
    receivers,
    share,
    takeBack,
    left,
    find: (number: string, subMchId: string) => shares.get(orderKey(number, subMchId)),
    findReturn: (number: string, subMchId: string) => returns.get(orderKey(number, subMchId)),
    /** `day`: `yyyyMMdd`. */
    ofDay: (day: string, subMchId: string) => [...shares.values()].filter(share => share.created.startsWith(day) && share.sub_mch_id === subMchId),
    /** Newest first. */
    list: () => [...shares.values()].reverse(),
    finish
  }
}

export type Sharing = ReturnType<typeof createSharing>
