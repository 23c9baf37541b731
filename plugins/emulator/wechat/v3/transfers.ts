/** /v3/fund-app/mch-transfer: transfers confirmed or pre-authorized by the receiver, a provider's transfers, transfers to a QQ wallet, receipts. */
import { getHashes } from 'node:crypto'
import { chinaTime, openidProblem, orderKey, rfc3339 } from '../../state/state.ts'
import { hashOf, isOurs, notFound, notEncrypted } from './area.ts'
import type { V3Area } from './area.ts'
import { invalid, list, object, text } from './shape.ts'
import type { Json } from './shape.ts'
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

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

interface Authorization {
  out_authorization_no: string
  authorization_id: string
  appid: string
  openid: string
  transfer_scene_id: string
  user_display_name: string
  user_recv_perception: string
  notify_url: string
  state: 'WAIT_USER_CONFIRM' | 'TAKING_EFFECT' | 'CLOSED'
  package_info: string
  at: string
  authorized: string
  closed: string
  close_reason: string
}

/** The report fields of two scenes, as seen; for other scenes any non-empty list is accepted. */
const REPORTS: Readonly<Record<string, readonly string[]>> = { 1000: ['活动名称', '奖励说明'], 1005: ['岗位类型', '报酬说明'] }
const FINAL = new Set<TransferState>(['SUCCESS', 'FAIL', 'CANCELLED'])
/** The receiver's name is required from NAMED_FROM fen on, and forbidden below NAMELESS_BELOW fen. */
const NAMED_FROM = 200_000
const NAMELESS_BELOW = 30

const BILL = ['appid!', 'out_bill_no!', 'transfer_scene_id!', 'user_name', 'transfer_amount!#', 'transfer_remark!', 'notify_url', 'user_recv_perception', 'transfer_scene_report_infos', 'user_recv_style']

export function v3Transfers ({ route, state, decrypt, sendEvent, storeFile, readFile }: V3Area) {
  const bills = state.memory.table<TransferBill>('transfers')
  const authorizations = state.memory.table<Authorization>('authorizations')
  const receipts = state.memory.table<{ at: string, updated: string, token: string, hash: string }>('receipts')
  const byWechatNumber = new Map<string, TransferBill>()
  for (const bill of bills.values()) byWechatNumber.set(bill.transfer_bill_no, bill)
  const { account } = state

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
    const key = orderKey(text(body.out_bill_no), more.sub_mch_id)
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
      package_info: packageInfo(),
      at,
      updated: at,
      authorization: '',
      ...more
    }
    bills.set(key, bill)
    byWechatNumber.set(bill.transfer_bill_no, bill)
    return bill
  }

  const packageInfo = () => `affffddafdfafddffda==${state.random.hex(16)}`

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
  const isBill = (made: TransferBill | V3Error): made is TransferBill => 'out_bill_no' in made

  const base = '/v3/fund-app/mch-transfer'
  const own = `${base}/transfer-bills`

  route('POST', own, ({ body }) => {
    const bill = make(body, text(body.openid))
    return isBill(bill) ? created(bill) : bill
  }, { body: [...BILL, 'openid!'], encrypted: ['user_name'] })

  route('GET', `${own}/out-bill-no/:number`, ({ params }) => {
    const bill = bills.get(params.number as string)
    return bill ? fullJson(bill) : notFound('单据不存在')
  })
  route('GET', `${own}/transfer-bill-no/:number`, ({ params }) => {
    const bill = byWechatNumber.get(params.number as string)
    return bill?.sub_mch_id === '' ? fullJson(bill) : notFound('单据不存在')
  })
  // A POST without a body.
  route('POST', `${own}/out-bill-no/:number/cancel`, ({ params }) => {
    const bill = bills.get(params.number as string)
    return cancelled(bill) ?? cancelJson(bill as TransferBill)
  })

  // ---- Authorizations: after one, the receiver's transfers need no confirmation.
  function authorize (given: Json): Authorization | V3Error {
    const number = text(given.out_authorization_no)
    if (!/^[0-9A-Za-z]{1,32}$/.test(number)) return invalid('out_authorization_no')
    if (given.appid !== account.appId) return refuse(400, 'APPID_MCHID_NOT_MATCH', 'appid和mch_id不匹配', 268445527)
    if (openidProblem(state, text(given.openid))) return refuse(400, 'PARAM_ERROR', 'openid与appid不匹配', 268445527)
    const before = authorizations.get(number)
    if (before) return before.openid === given.openid && before.transfer_scene_id === given.transfer_scene_id ? before : refuse(400, 'ALREADY_EXISTS', '商户单号已存在，且参数与首次请求时不一致', 268498688)
    const made: Authorization = {
      out_authorization_no: number,
      authorization_id: '',
      appid: account.appId,
      openid: text(given.openid),
      transfer_scene_id: text(given.transfer_scene_id),
      user_display_name: text(given.user_display_name),
      user_recv_perception: text(given.user_recv_perception),
      notify_url: text(given.authorization_notify_url ?? given.notify_url),
      state: 'WAIT_USER_CONFIRM',
      package_info: packageInfo(),
      at: chinaTime(state.now()),
      authorized: '',
      closed: '',
      close_reason: ''
    }
    authorizations.set(number, made)
    return made
  }
  const isAuthorization = (made: Authorization | V3Error): made is Authorization => 'out_authorization_no' in made

  const authorizationJson = (it: Authorization): Json => ({
    out_authorization_no: it.out_authorization_no,
    appid: it.appid,
    openid: it.openid,
    user_display_name: it.user_display_name,
    authorization_id: it.authorization_id,
    state: it.state,
    authorize_time: it.authorized && rfc3339(it.authorized),
    ...(it.closed && { close_info: { close_time: rfc3339(it.closed), close_reason: it.close_reason } }),
    transfer_scene_id: it.transfer_scene_id,
    user_recv_perception: it.user_recv_perception,
    create_time: rfc3339(it.at)
  })

  /** The receiver authorizes transfers, or the authorization ends. */
  function moveAuthorization (it: Authorization, to: 'TAKING_EFFECT' | 'CLOSED', reason = 'USER_CLOSE'): boolean {
    if (it.state === 'CLOSED' || it.state === to) return false
    it.state = to
    if (to === 'TAKING_EFFECT') {
      it.authorized = chinaTime(state.now())
      it.authorization_id = `1280${state.random.digits(24)}`
    } else {
      it.closed = chinaTime(state.now())
      it.close_reason = reason
    }
    const { create_time: _at, ...content } = authorizationJson(it)
    // Event names from Senparc's WeiXinMPSDK.
    sendEvent({ url: it.notify_url, type: `MCHTRANSFER.AUTHORIZATION.${to === 'CLOSED' ? 'CLOSED' : 'CONFIRMED'}`, originalType: 'mch_payment', summary: '用户授权免确认收款通知', content: { mchid: account.mchId, ...content } })
    return true
  }

  for (const [create, named, notify] of [[`${base}/user-confirm-authorization`, `${base}/user-confirm-authorization/out-authorization-no/:number`, 'authorization_notify_url!'], [`${base}/partner/user-confirm-authorizations`, `${base}/partner/user-confirm-authorizations/:number`, 'notify_url!']] as const) {
    route('POST', create, ({ body }) => {
      const made = authorize(body)
      return isAuthorization(made) ? { out_authorization_no: made.out_authorization_no, state: made.state, create_time: rfc3339(made.at), package_info: made.package_info } : made
    }, { body: ['out_authorization_no!', 'appid!', 'openid!', 'transfer_scene_id!', 'user_display_name!', 'user_recv_perception', notify, 'scene_info'] })
    route('GET', named, ({ params }) => {
      const it = authorizations.get(params.number as string)
      return it ? authorizationJson(it) : notFound('授权单不存在')
    })
    route('POST', `${named}/close`, ({ params }) => {
      const it = authorizations.get(params.number as string)
      if (!it) return notFound('授权单不存在')
      moveAuthorization(it, 'CLOSED', 'CLOSE_VIA_MCH_API')
      return authorizationJson(it)
    })
  }

  /** Pays an authorized receiver immediately. */
  function paidByAuthorization (body: Json, more: Partial<TransferBill> = {}): TransferBill | V3Error {
    const authorization = body.out_authorization_no !== undefined
      ? authorizations.get(text(body.out_authorization_no))
      : [...authorizations.values()].find(({ authorization_id: id }) => id !== '' && id === body.authorization_id)
    if (authorization?.state !== 'TAKING_EFFECT') return refuse(400, 'INVALID_REQUEST', '用户未授权或授权已失效', 268435461)
    const isNew = !bills.has(orderKey(text(body.out_bill_no), more.sub_mch_id))
    const bill = make(body, authorization.openid, { ...more, state: 'PROCESSING', authorization: authorization.out_authorization_no })
    if (isBill(bill) && isNew) move(bill, 'SUCCESS')
    return bill
  }

  /** A transfer to confirm that also asks for an authorization of later ones. */
  function withAuthorization (body: Json, more: Partial<TransferBill> = {}): TransferBill | V3Error {
    const info = object(body.authorization_info)
    const authorization = body.authorization_info === undefined ? undefined : authorize({ ...info, appid: body.appid, openid: body.openid, transfer_scene_id: body.transfer_scene_id })
    if (authorization && !isAuthorization(authorization)) return authorization
    return make(body, text(body.openid), { ...more, authorization: text(info.out_authorization_no) })
  }
  const WITH_AUTHORIZATION = [...BILL, 'openid!', 'authorization_info/user_display_name!', 'authorization_info/out_authorization_no!', 'authorization_info/authorization_notify_url!', 'sponsor_mchid']

  route('POST', `${own}/pre-transfer-with-authorization`, ({ body }) => {
    const bill = withAuthorization(body)
    if (!isBill(bill)) return bill
    return { ...created(bill), ...(bill.authorization && { user_display_name: object(body.authorization_info).user_display_name, out_authorization_no: bill.authorization }) }
  }, { body: WITH_AUTHORIZATION, encrypted: ['user_name'] })

  route('POST', `${own}/transfer`, ({ body }) => {
    const bill = paidByAuthorization(body)
    return isBill(bill) ? fullJson(bill) : bill
  }, { body: [...BILL, 'authorization_id', 'sponsor_mchid', 'out_authorization_no'], encrypted: ['user_name'] })

  // ---- The same for a provider's sub-merchants.
  const partner = `${base}/partner`
  const notAuthorized = (sub: unknown) => isOurs(state, sub) ? undefined : refuse(403, 'NO_AUTH', '服务商与特约商户没有授权关系', 268435461)
  const ofSub = (sub: unknown) => ({ sub_mch_id: text(sub) })
  const partnerCreated = (bill: TransferBill): Json => ({ sub_mchid: bill.sub_mch_id, out_bill_no: bill.out_bill_no, transfer_bill_no: bill.transfer_bill_no, create_time: rfc3339(bill.at), package_info: bill.package_info })

  route('POST', `${partner}/transfer-bills`, ({ body }) => {
    const bill = notAuthorized(body.sub_mchid) ?? make(body, text(body.openid), ofSub(body.sub_mchid))
    return isBill(bill) ? partnerCreated(bill) : bill
  }, { body: ['sub_mchid!', ...BILL, 'openid!'], encrypted: ['user_name'] })
  route('POST', `${partner}/transfer-bills/pre-transfer-with-authorization`, ({ body }) => {
    const bill = notAuthorized(body.sub_mchid) ?? withAuthorization(body, ofSub(body.sub_mchid))
    return isBill(bill) ? partnerCreated(bill) : bill
  }, { body: ['sub_mchid!', ...WITH_AUTHORIZATION], encrypted: ['user_name'] })
  route('POST', `${partner}/transfer-bills/transfer`, ({ body }) => {
    const bill = notAuthorized(body.sub_mchid) ?? paidByAuthorization(body, ofSub(body.sub_mchid))
    return isBill(bill) ? fullJson(bill, 'mchid') : bill
  }, { body: ['sub_mchid!', ...BILL, 'authorization_id!'], encrypted: ['user_name'] })
  route('GET', `${partner}/transfer-bills/out-bill-no/:number`, ({ params, query }) => {
    const bill = bills.get(orderKey(params.number as string, query.sub_mchid))
    return bill ? fullJson(bill, 'mchid') : notFound('单据不存在')
  }, { query: ['sub_mchid'] })
  route('POST', `${partner}/transfer-bills/out-bill-no/:number/cancel`, ({ params, body }) => {
    const bill = bills.get(orderKey(params.number as string, text(body.sub_mchid)))
    return cancelled(bill) ?? { sub_mchid: body.sub_mchid, ...cancelJson(bill as TransferBill) }
  }, { body: ['sub_mchid!'] })

  // A sub-merchant authorizes its provider; the emulator approves immediately.
  const applications = state.memory.table<{ out_apply_no: string, at: string }>('transferApplications')
  const applicationJson = (sub: string, { out_apply_no: number, at }: { out_apply_no: string, at: string }): Json => ({ sub_mchid: sub, out_apply_no: number, state: 'PASSED', accept_time: rfc3339(at), update_time: rfc3339(at) })
  route('POST', `${partner}/sub-mch-authorizations`, ({ body }) => {
    const sub = text(body.sub_mchid)
    const wrong = notAuthorized(sub)
    if (wrong) return wrong
    const made = applications.get(sub) ?? { out_apply_no: text(body.out_apply_no), at: chinaTime(state.now()) }
    applications.set(sub, made)
    return applicationJson(sub, made)
  }, { body: ['sub_mchid!', 'out_apply_no!'] })
  route('GET', `${partner}/sub-mch-authorizations/:sub`, ({ params }) => {
    const sub = params.sub as string
    const made = applications.get(sub)
    return notAuthorized(sub) ?? (made ? { sub_mchid: sub, state: 'AUTHORIZED', apply_order: applicationJson(sub, made), authorization_time: rfc3339(made.at) } : { sub_mchid: sub, state: 'UNAUTHORIZED' })
  })

  // ---- To a QQ wallet.
  const qq = `${base}/transfer-to-qq-wallet-bills`
  const qqBill = (number: string | undefined) => bills.get(`qq:${number}`)
  route('POST', qq, ({ body }) => {
    if (body.transfer_scene_id !== '1401') return invalid('transfer_scene_id')
    const known = qqBill(text(body.out_bill_no))
    const wrong = problem(body, text(body.openid), known)
    if (wrong) return wrong
    if (known) return fullJson(known, 'mchid')
    const bill = make({ ...body, out_bill_no: body.out_bill_no }, text(body.openid), { kind: 'qq' })
    if (!isBill(bill)) return bill
    bills.delete(bill.out_bill_no)
    bills.set(`qq:${bill.out_bill_no}`, bill)
    return fullJson(bill, 'mchid')
  }, { body: [...BILL, 'openid!', 'user_qq'], encrypted: ['user_name'] })
  route('GET', `${qq}/:number`, ({ params }) => {
    const bill = qqBill(params.number)
    return bill ? fullJson(bill, 'mchid') : notFound('单据不存在')
  })
  route('POST', `${qq}/:number/cancel`, ({ params }) => {
    const bill = qqBill(params.number)
    return cancelled(bill) ?? fullJson(bill as TransferBill, 'mchid')
  })

  // ---- Receipts: requested, then downloaded; a real file with its hash.
  function receiptFor (bill: TransferBill): { at: string, updated: string, token: string, hash: string } {
    const key = bill.transfer_bill_no
    const before = receipts.get(key)
    if (before && readFile(before.token)) return before
    const document = pdf(['Transfer receipt (emulator)', `out_bill_no ${bill.out_bill_no}`, `transfer_bill_no ${bill.transfer_bill_no}`, `amount ${(bill.amount / 100).toFixed(2)} CNY`, `state ${bill.state}`])
    const at = chinaTime(state.now())
    const made = { at: before?.at ?? at, updated: at, token: storeFile(document), hash: hashOf('sha256', document) }
    receipts.set(key, made)
    return made
  }
  const receiptProblem = (bill: TransferBill | undefined): V3Error | undefined => !bill ? notFound('单据不存在') : bill.state === 'SUCCESS' ? undefined : refuse(400, 'INVALID_REQUEST', '转账单据未成功，不能申请电子回单', 268435461)
  const download = (request: { protocol: string, host: string, server: { prefix: string } }, token: string) => `${request.protocol}://${request.host}${request.server.prefix}/v3/transferdownload/signfile?token=${token}`

  for (const [path, find] of [[`${base}/elecsign/out-bill-no`, (number: string) => bills.get(number)], [`${base}/elecsign/transfer-bill-no`, (number: string) => byWechatNumber.get(number)]] as const) {
    const name = path.endsWith('out-bill-no') ? 'out_bill_no' : 'transfer_bill_no'
    route('POST', path, ({ body }) => {
      const bill = find(text(body[name]))
      const wrong = receiptProblem(bill)
      return wrong ?? { state: 'GENERATING', create_time: rfc3339(receiptFor(bill as TransferBill).at) }
    }, { body: [`${name}!`] })
    route('GET', `${path}/:number`, ({ params, request }) => {
      const bill = find(params.number as string)
      const receipt = bill && receipts.get(bill.transfer_bill_no)
      if (!bill || !receipt) return notFound('电子回单不存在，请先申请')
      const made = receiptFor(bill)
      return { state: 'FINISHED', create_time: rfc3339(made.at), update_time: rfc3339(made.updated), hash_type: 'SHA256', hash_value: made.hash, download_url: download(request, made.token) }
    })
  }

  const subReceipt = (bill: TransferBill): Json => ({ sub_mchid: bill.sub_mch_id, out_bill_no: bill.out_bill_no, create_time: rfc3339(receiptFor(bill).at) })
  route('POST', `${partner}/electronic-receipts`, ({ body }) => {
    const bill = bills.get(orderKey(text(body.out_bill_no), text(body.sub_mchid)))
    const wrong = receiptProblem(bill)
    return wrong ?? { ...subReceipt(bill as TransferBill), state: 'GENERATING' }
  }, { body: ['sub_mchid!', 'out_bill_no!'] })
  // wechat-openapi only lists SM3 here; Node.js has it if its OpenSSL does.
  const sm3Of = (document: Buffer | undefined): Json => document && getHashes().includes('sm3') ? { hash_type: 'SM3', hash_value: hashOf('sm3', document) } : {}
  route('GET', `${partner}/electronic-receipts/:number`, ({ params, query, request }) => {
    const bill = bills.get(orderKey(params.number as string, query.sub_mchid))
    if (!bill || !receipts.has(bill.transfer_bill_no)) return notFound('电子回单不存在，请先申请')
    const made = receiptFor(bill)
    return { ...subReceipt(bill), state: 'FINISHED', update_time: rfc3339(made.updated), ...sm3Of(readFile(made.token)), download_url: download(request, made.token) }
  }, { query: ['sub_mchid'] })

  for (const path of ['/v3/transferdownload/signfile', '/v3/transferdownload/elecvoucherfile']) {
    route('GET', path, ({ query }, reply) => {
      const found = readFile(query.token)
      return found ? reply.type('application/octet-stream').send(found) : notFound('文件不存在')
    }, { query: ['token'] })
  }

  return {
    /** Newest first. */
    list: () => [...bills.values()].reverse(),
    find: (number: string, subMchId = '') => bills.get(orderKey(number, subMchId)) ?? qqBill(number),
    byWechatNumber: (id: string) => byWechatNumber.get(id),
    findByPackage: (info: string) => [...bills.values()].find(bill => bill.package_info === info),
    move,
    /** The receiver confirms, which also grants an authorization requested with the transfer. Undefined if there is nothing to confirm. */
    confirm (number: string, subMchId = ''): TransferBill | undefined {
      const bill = bills.get(orderKey(number, subMchId)) ?? qqBill(number)
      if (bill?.state !== 'WAIT_USER_CONFIRM') return undefined
      const authorization = authorizations.get(bill.authorization)
      if (authorization) moveAuthorization(authorization, 'TAKING_EFFECT')
      move(bill, 'SUCCESS')
      return bill
    },
    /** The receiver grants or ends an authorization. */
    authorize (number: string, to: 'TAKING_EFFECT' | 'CLOSED'): Json | undefined {
      const it = authorizations.get(number)
      return it && moveAuthorization(it, to) ? authorizationJson(it) : undefined
    },
    receipt: (bill: TransferBill) => receiptFor(bill)
  }
}

export type Transfers = ReturnType<typeof v3Transfers>

/** A minimal PDF with some lines of text. */
export function pdf (lines: string[]): Buffer {
  const content = `BT /F1 12 Tf 50 780 Td ${lines.map(line => `(${line.replace(/[\\()]/g, '\\$&')}) Tj 0 -18 Td`).join(' ')} ET`
  const objects = ['<</Type/Catalog/Pages 2 0 R>>', '<</Type/Pages/Kids[3 0 R]/Count 1>>', '<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>', `<</Length ${content.length}>>stream\n${content}\nendstream`, '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>']
  let text = '%PDF-1.4\n'
  const offsets = objects.map((object, at) => {
    const offset = text.length
    text += `${at + 1} 0 obj${object}endobj\n`
    return offset
  })
  const start = text.length
  text += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets.map(offset => `${String(offset).padStart(10, '0')} 00000 n \n`).join('')}trailer<</Size ${objects.length + 1}/Root 1 0 R>>\nstartxref\n${start}\n%%EOF\n`
  return Buffer.from(text, 'latin1')
}
