/** Transfer bills: what is refused, their states, and how they are answered. */
import { chinaTime, openidProblem, orderKey, rfc3339 } from '../../../state/state.ts'
import { notFound, notEncrypted } from '../area.ts'
import type { V3Area } from '../area.ts'
import { invalid, list, text } from '../shape.ts'
import type { Json } from '../shape.ts'
import { refuse } from '../wire.ts'
import type { V3Error } from '../wire.ts'

export const TRANSFER_STATES = ['ACCEPTED', 'PROCESSING', 'WAIT_USER_CONFIRM', 'TRANSFERING', 'SUCCESS', 'FAIL', 'CANCELING', 'CANCELLED'] as const
export type TransferState = typeof TRANSFER_STATES[number]

export interface TransferBill {
  out_bill_no: string
  transfer_bill_no: string
  /** The sub-merchant of a provider's transfer; otherwise ''. */
  sub_mch_id: string
  kind: 'balance' | 'qq'
  appid: string
  openid: string
  /** As received: encrypted. */
  user_name: string
  user_qq: string
  amount: number
  remark: string
  notify_url: string
  state: TransferState
  fail_reason: string
  package_info: string
  /** `yyyyMMddHHmmss` in China. */
  at: string
  updated: string
  authorization: string
}

/** The report fields of two scenes, as seen; for other scenes any non-empty list is accepted. */
const REPORTS: Readonly<Record<string, readonly string[]>> = { 1000: ['活动名称', '奖励说明'], 1005: ['岗位类型', '报酬说明'] }
const FINAL = new Set<TransferState>(['SUCCESS', 'FAIL', 'CANCELLED'])
/** The receiver's name is required from NAMED_FROM fen on, and forbidden below NAMELESS_BELOW fen. */
const NAMED_FROM = 200_000
const NAMELESS_BELOW = 30

/** The fields of every transfer's request. */
export const BILL = ['appid!', 'out_bill_no!', 'transfer_scene_id!', 'user_name', 'transfer_amount!#', 'transfer_remark!', 'notify_url', 'user_recv_perception', 'transfer_scene_report_infos', 'user_recv_style']

export const BASE = '/v3/fund-app/mch-transfer'

export const isBill = (made: TransferBill | V3Error): made is TransferBill => 'out_bill_no' in made

export const newPackageInfo = ({ random }: V3Area['state']) => `affffddafdfafddffda==${random.hex(16)}`

export function createTransferBills ({ state, decrypt, sendEvent }: V3Area) {
  const bills = state.memory.table<TransferBill>('transfers')
  const byWechatNumber = new Map<string, TransferBill>()
  for (const bill of bills.values()) byWechatNumber.set(bill.transfer_bill_no, bill)
  const { account } = state
  /** QQ wallet bills have numbers of their own. */
  const qqKey = (number: string) => `qq:${number}`

  /** Why a new transfer is refused; for all kinds of transfers. */
  function problem (body: Json, openid: string, known?: TransferBill): V3Error | undefined {
    const { out_bill_no: number, transfer_amount: amount, transfer_scene_id: scene } = body
    // A sub-merchant's receivers may have openids of its own appid.
    const own = state.subMerchants.find(({ subMchId }) => subMchId === body.sub_mchid)?.subAppId
    if (body.appid !== account.appId && (own === undefined || body.appid !== own)) return refuse(400, 'APPID_MCHID_NOT_MATCH', 'appid和mch_id不匹配', 268445527)
    if (!/^[0-9A-Za-z]{1,32}$/.test(text(number))) return invalid('out_bill_no')
    if ((amount as number) < 1) return invalid('transfer_amount')
    if (text(body.transfer_remark).length > 32) return invalid('transfer_remark')
    const infos = list(body.transfer_scene_report_infos)
    const types = infos.map(({ info_type: type }) => text(type))
    const isWhole = infos.length > 0 && infos.every(info => text(info.info_type) !== '' && text(info.info_content) !== '') && (REPORTS[text(scene)] ?? []).every(type => types.includes(type))
    if (!isWhole) return refuse(400, 'PARAM_ERROR', '未传入完整且对应的转账场景报备信息，请根据接口文档检查', 268435461)
    if (openidProblem(state, openid)) return refuse(400, 'PARAM_ERROR', 'openid与appid不匹配', 268445527)
    if (body.user_name !== undefined && decrypt(body.user_name) === undefined) return notEncrypted()
    if ((amount as number) >= NAMED_FROM && body.user_name === undefined) return refuse(400, 'PARAM_ERROR', '转账金额达到2000元，必须填写收款用户姓名', 268435461)
    if ((amount as number) < NAMELESS_BELOW && body.user_name !== undefined) return refuse(400, 'PARAM_ERROR', '转账金额低于0.3元，不支持填写收款用户姓名', 268435461)
    if (known) return known.amount === amount && known.openid === openid && known.remark === body.transfer_remark ? undefined : refuse(400, 'ALREADY_EXISTS', '商户单号已存在，且参数与首次请求时不一致', 268498688)
    if ((amount as number) > state.balance) return refuse(403, 'NOT_ENOUGH', '账户余额不足', 268435461)
  }

  function make (body: Json, openid: string, more: Partial<TransferBill> = {}): TransferBill | V3Error {
    const key = more.kind === 'qq' ? qqKey(text(body.out_bill_no)) : orderKey(text(body.out_bill_no), more.sub_mch_id)
    const before = bills.get(key)
    const wrong = problem(body, openid, before)
    if (wrong) return wrong
    if (before) return before
    state.balance -= body.transfer_amount as number
    const at = chinaTime(state.now())
    const bill: TransferBill = {
      out_bill_no: text(body.out_bill_no),
      transfer_bill_no: `13300${state.random.digits(25)}`,
      sub_mch_id: '',
      kind: 'balance',
      appid: text(body.appid) || account.appId,
      openid,
      user_name: text(body.user_name),
      user_qq: text(body.user_qq),
      amount: body.transfer_amount as number,
      remark: text(body.transfer_remark),
      notify_url: text(body.notify_url),
      state: 'WAIT_USER_CONFIRM',
      fail_reason: '',
      package_info: newPackageInfo(state),
      at,
      updated: at,
      authorization: '',
      ...more
    }
    bills.set(key, bill)
    byWechatNumber.set(bill.transfer_bill_no, bill)
    return bill
  }

  /** Sets a transfer's state. Final states notify the merchant, and return money that was not paid out to the balance. */
  function move (bill: TransferBill, to: TransferState, reason = ''): boolean {
    if (FINAL.has(bill.state)) return false
    bill.state = to
    bill.updated = chinaTime(state.now())
    bill.fail_reason = to === 'FAIL' ? reason || 'PAYEE_ACCOUNT_ABNORMAL' : ''
    if (to === 'FAIL' || to === 'CANCELLED') state.balance += bill.amount
    if (FINAL.has(to)) sendEvent({ url: bill.notify_url, type: 'MCHTRANSFER.BILL.FINISHED', originalType: 'mch_payment', summary: '商家转账单据终态通知', content: notice(bill) })
    return true
  }

  /** As recorded: the merchant's id twice, as mch_id and mchid. */
  const notice = (bill: TransferBill): Json => ({
    mch_id: account.mchId,
    out_bill_no: bill.out_bill_no,
    transfer_bill_no: bill.transfer_bill_no,
    transfer_amount: bill.amount,
    state: bill.state,
    ...(bill.fail_reason && { fail_reason: bill.fail_reason }),
    openid: bill.openid,
    create_time: rfc3339(bill.at),
    update_time: rfc3339(bill.updated),
    mchid: account.mchId
  })

  const created = (bill: TransferBill): Json => ({
    out_bill_no: bill.out_bill_no,
    transfer_bill_no: bill.transfer_bill_no,
    create_time: rfc3339(bill.at),
    state: bill.state,
    ...(bill.fail_reason && { fail_reason: bill.fail_reason }),
    ...(bill.state === 'WAIT_USER_CONFIRM' && { package_info: bill.package_info })
  })

  const fullJson = (bill: TransferBill, idName: 'mch_id' | 'mchid' = 'mch_id'): Json => ({
    ...(bill.sub_mch_id && { sub_mchid: bill.sub_mch_id }),
    [idName]: account.mchId,
    out_bill_no: bill.out_bill_no,
    transfer_bill_no: bill.transfer_bill_no,
    appid: bill.appid,
    state: bill.state,
    transfer_amount: bill.amount,
    transfer_remark: bill.remark,
    ...(bill.fail_reason && { fail_reason: bill.fail_reason }),
    openid: bill.openid,
    ...(bill.user_qq && { user_qq: bill.user_qq }),
    ...(bill.user_name && { user_name: bill.user_name }),
    create_time: rfc3339(bill.at),
    update_time: rfc3339(bill.updated)
  })

  const cancelled = (bill: TransferBill | undefined): V3Error | undefined => {
    if (!bill) return notFound('单据不存在')
    if (bill.state === 'CANCELLED' || bill.state === 'CANCELING') return undefined
    if (bill.state !== 'WAIT_USER_CONFIRM' && bill.state !== 'ACCEPTED') return refuse(400, 'INVALID_REQUEST', '单据状态不允许撤销', 268435461)
    move(bill, 'CANCELLED')
  }
  const cancelJson = (bill: TransferBill): Json => ({ out_bill_no: bill.out_bill_no, transfer_bill_no: bill.transfer_bill_no, state: bill.state, update_time: rfc3339(bill.updated) })

  return {
    /** Newest first. */
    list: () => [...bills.values()].reverse(),
    find: (number: string, subMchId?: string) => bills.get(orderKey(number, subMchId)),
    findQq: (number: string) => bills.get(qqKey(number)),
    byWechatNumber: (id: string) => byWechatNumber.get(id),
    make,
    move,
    cancelled,
    created,
    fullJson,
    cancelJson
  }
}

export type TransferBills = ReturnType<typeof createTransferBills>
