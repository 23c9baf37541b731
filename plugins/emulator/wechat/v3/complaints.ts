/** /v3/merchant-service: payers' complaints, the merchant's answers, and complaint notifications. */
import { chinaTime, rfc3339 } from '../../state/state.ts'
import type { Order } from '../../state/state.ts'
import { notFound } from './area.ts'
import type { V3Area } from './area.ts'
import { uploaded } from './media.ts'
import { invalid, list, object, text } from './shape.ts'
import type { Json } from './shape.ts'
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

interface Step { log_id: string, operator: string, at: string, type: string, details: string, images: string[] }

export interface Complaint {
  complaint_id: string
  at: string
  detail: string
  state: 'PENDING' | 'PROCESSING' | 'PROCESSED'
  transaction_id: string
  out_trade_no: string
  mchid: string
  amount: number
  openid: string
  phone: string
  problem_type: 'REFUND' | 'SERVICE_NOT_WORK' | 'OTHERS'
  /** Integer fen. */
  apply_refund_amount: number
  times: number
  /** Whether the payer is waiting for an answer. */
  waiting: boolean
  images: string[]
  history: Step[]
}

export interface NewComplaint { detail: string, problemType?: Complaint['problem_type'], refundAmount?: number, phone?: string }

/** What a payer can do after the first complaint: the type in the history, and the notification's action_type. */
export const PAYER_ACTIONS = { continue: ['USER_CONTINUE_COMPLAINT', 'CONTINUE_COMPLAINT'], respond: ['USER_RESPONSE', 'USER_RESPONSE'], revoke: ['USER_REVOKE_COMPLAINT', 'USER_REVOKE_COMPLAINT'], confirm: ['USER_COMFIRM_COMPLAINT', 'USER_CONFIRM_COMPLAINT'] } as const
export type PayerAction = keyof typeof PAYER_ACTIONS

/** `sealed`: encrypts with the merchant's certificate. */
export function v3Complaints ({ route, state, refunds, orders, sendEvent, storeFile, readFile }: V3Area, encrypt: (text: string) => string) {
  const complaints = state.memory.table<Complaint>('complaints')
  const settings = state.memory.table<string>('complaintUrl')
  const images = state.memory.table<string>('complaintImages')
  const { mchId } = state.account

  // ---- The merchant's notification URL.
  const setting = () => ({ mchid: mchId, url: settings.get('url') as string })
  const noSetting = () => refuse(404, 'NOT_FOUND', '投诉通知回调地址不存在')
  const urlProblem = (body: Json) => /^https?:\/\/\S+$/.test(text(body.url)) ? undefined : invalid('url')
  const base = '/v3/merchant-service/complaint-notifications'
  route('POST', base, ({ body }) => {
    if (settings.has('url')) return refuse(400, 'ALREADY_EXISTS', '投诉通知回调地址已存在')
    const problem = urlProblem(body)
    if (problem) return problem
    settings.set('url', text(body.url))
    return setting()
  }, { body: ['url!'] })
  route('GET', base, () => settings.has('url') ? setting() : noSetting())
  route('PUT', base, ({ body }) => {
    if (!settings.has('url')) return noSetting()
    const problem = urlProblem(body)
    if (problem) return problem
    settings.set('url', text(body.url))
    return setting()
  }, { body: ['url!'] })
  route('DELETE', base, () => settings.delete('url') ? undefined : noSetting())

  function step (complaint: Complaint, operator: string, type: string, details: string, pictures: string[] = []): Step {
    const made = { log_id: state.random.digits(19), operator, at: chinaTime(state.now()), type, details, images: pictures }
    complaint.history.push(made)
    return made
  }

  const HANDLED = { PENDING: 'WAIT_MERCHANT_RESPONSE', PROCESSING: 'WAIT_USER_RESPONSE', PROCESSED: 'COMPLAINT_FINISHED' } as const

  /** Members in the recorded order. */
  function notify (complaint: Complaint, action: string): void {
    sendEvent({
      url: settings.get('url') ?? '',
      type: action === 'CREATE_COMPLAINT' ? 'COMPLAINT.CREATE' : 'COMPLAINT.STATE_CHANGE',
      originalType: 'complaint',
      summary: action === 'CREATE_COMPLAINT' ? '产生新投诉' : '投诉状态变化',
      out_trade_no: complaint.out_trade_no,
      content: {
        out_trade_no: complaint.out_trade_no,
        complaint_time: rfc3339(complaint.at),
        amount: complaint.amount,
        payer_phone: encrypt(complaint.phone),
        complaint_detail: complaint.detail,
        complaint_state: action === 'USER_REVOKE_COMPLAINT' ? 'PAYER_CANCELED' : 'PAYER_COMPLAINTED',
        transaction_id: complaint.transaction_id,
        complaint_handle_state: complaint.waiting ? 'WAIT_MERCHANT_RESPONSE' : HANDLED[complaint.state],
        action_type: action,
        complaint_id: complaint.complaint_id
      }
    })
  }

  const fullyRefunded = (complaint: Complaint) => {
    const order = orders.byTransaction(complaint.transaction_id)
    return order !== undefined && refunds.left(order) === 0
  }

  const json = (it: Complaint): Json => ({
    complaint_id: it.complaint_id,
    complaint_time: rfc3339(it.at),
    complaint_detail: it.detail,
    complaint_state: it.state,
    complainted_mchid: it.mchid,
    payer_phone: encrypt(it.phone),
    ...(it.images.length > 0 && { complaint_media_list: [{ media_type: 'USER_COMPLAINT_IMAGE', media_url: it.images.map(id => `https://api.mch.weixin.qq.com/v3/merchant-service/images/${id}`) }] }),
    complaint_order_info: [{ transaction_id: it.transaction_id, out_trade_no: it.out_trade_no, amount: it.amount }],
    complaint_full_refunded: fullyRefunded(it),
    incoming_user_response: it.waiting,
    problem_description: '申请退款',
    user_complaint_times: it.times,
    problem_type: it.problem_type,
    ...(it.problem_type === 'REFUND' && { apply_refund_amount: it.apply_refund_amount })
  })

  function page (query: Record<string, string>, most: number): { offset: number, limit: number } | V3Error {
    const [offset, limit] = [Number(query.offset ?? 0), Number(query.limit ?? 10)]
    return Number.isInteger(offset) && offset >= 0 && Number.isInteger(limit) && limit >= 1 && limit <= most ? { offset, limit } : refuse(400, 'PARAM_ERROR', '分页参数错误')
  }

  const cases = '/v3/merchant-service/complaints-v2'
  route('GET', cases, ({ query }) => {
    const paging = page(query, 50)
    if ('inner' in paging) return paging
    const [from, to] = [query.begin_date, query.end_date].map(date => (date ?? '').replaceAll('-', ''))
    if (!/^\d{8}$/.test(from as string) || !/^\d{8}$/.test(to as string) || (from as string) > (to as string)) return refuse(400, 'PARAM_ERROR', '查询日期错误')
    const found = [...complaints.values()].filter(({ at, mchid }) => at.slice(0, 8) >= (from as string) && at.slice(0, 8) <= (to as string) && (query.complainted_mchid === undefined || mchid === query.complainted_mchid)).reverse()
    return { data: found.slice(paging.offset, paging.offset + paging.limit).map(json), limit: paging.limit, offset: paging.offset, total_count: found.length }
  }, { query: ['begin_date', 'end_date'] })

  const named = (id: string | undefined) => complaints.get(id ?? '')
  const missing = () => notFound('投诉单不存在')
  route('GET', `${cases}/:id`, ({ params }) => {
    const it = named(params.id)
    return it ? { ...json(it), payer_openid: it.openid } : missing()
  })

  route('GET', `${cases}/:id/negotiation-historys`, ({ params, query }) => {
    const it = named(params.id)
    if (!it) return missing()
    const paging = page(query, 300)
    if ('inner' in paging) return paging
    const steps = [...it.history].reverse()
    return {
      data: steps.slice(paging.offset, paging.offset + paging.limit).map(({ log_id: id, operator, at, type, details, images: pictures }) => ({ log_id: id, operator, operate_time: rfc3339(at), operate_type: type, operate_details: details, image_list: pictures })),
      limit: paging.limit,
      offset: paging.offset,
      total_count: steps.length
    }
  })

  /** The complaint that the merchant wants to act on, or an error. */
  function open (id: string | undefined, body: Json): Complaint | V3Error {
    const it = named(id)
    if (!it) return missing()
    if (body.complainted_mchid !== undefined && body.complainted_mchid !== it.mchid) return refuse(400, 'PARAM_ERROR', '被诉商户号与投诉单不匹配', 268447843)
    return it.state === 'PROCESSED' ? refuse(400, 'INVALID_REQUEST', '投诉单已处理完成') : it
  }

  route('POST', `${cases}/:id/response`, ({ params, body }) => {
    const it = open(params.id, body)
    if ('inner' in it) return it
    const content = text(body.response_content)
    if (content.length > 200) return invalid('response_content')
    const pictures = Array.isArray(body.response_images) ? body.response_images.map(String) : []
    if (pictures.length > 4 || pictures.some(id => !images.has(id))) return invalid('response_images')
    it.state = 'PROCESSING'
    it.waiting = false
    step(it, '商户', 'MERCHANT_RESPONSE', content, pictures)
    notify(it, 'MERCHANT_RESPONSE')
    return undefined
  }, { body: ['complainted_mchid!', 'response_content!', 'response_images', 'jump_url', 'jump_url_text', 'mini_program_jump_info'] })

  route('POST', `${cases}/:id/complete`, ({ params, body }) => {
    const it = open(params.id, body)
    if ('inner' in it) return it
    if (it.state === 'PENDING') return refuse(400, 'INVALID_REQUEST', '投诉单未处理，不能反馈处理完成')
    it.state = 'PROCESSED'
    step(it, '商户', 'MERCHANT_CONFIRM_COMPLETE', '')
    notify(it, 'MERCHANT_CONFIRM_COMPLETE')
    return undefined
  }, { body: ['complainted_mchid!'] })

  route('POST', `${cases}/:id/update-refund-progress`, ({ params, body }) => {
    const it = open(params.id, {})
    if ('inner' in it) return it
    if (it.problem_type !== 'REFUND') return refuse(400, 'INVALID_REQUEST', '非申请退款类型的投诉单')
    if (body.action !== 'APPROVE' && body.action !== 'REJECT') return invalid('action')
    if (body.action === 'REJECT' && !body.reject_reason) return invalid('reject_reason')
    it.state = 'PROCESSING'
    it.waiting = false
    step(it, '商户', body.action === 'APPROVE' ? 'MERCHANT_APPROVE_REFUND' : 'MERCHANT_REFUSE_RERUND', text(body.action === 'APPROVE' ? body.remark : body.reject_reason))
    notify(it, body.action === 'APPROVE' ? 'MERCHANT_APPROVE_REFUND' : 'MERCHANT_REJECT_REFUND')
    return undefined
  }, { body: ['action!', 'launch_refund_day#', 'reject_reason', 'reject_media_list', 'remark'] })

  const immediateReplies = state.memory.table<string>('immediateAnswers')
  route('POST', `${cases}/:id/response-immediate-service`, ({ params, body }) => {
    const it = open(params.id, body)
    if ('inner' in it) return it
    const key = `${it.complaint_id}/${text(body.idempotent_id)}`
    const before = immediateReplies.get(key)
    if (before !== undefined) return { log_id: before }
    const words = list(object(body.message).blocks).map(block => text(object(block.text).text)).join('\n')
    const { log_id: id } = step(it, '商户', 'MERCHANT_RESPONSE', words)
    it.state = 'PROCESSING'
    it.waiting = false
    immediateReplies.set(key, id)
    return { log_id: id }
  }, { body: ['complainted_mchid!', 'message/blocks!', 'idempotent_id!'] })

  route('POST', '/v3/merchant-service/images/upload', call => {
    const picture = uploaded(call)
    if (!Buffer.isBuffer(picture)) return picture
    const id = state.random.word(64)
    images.set(id, storeFile(picture))
    return { media_id: id }
  })
  // The image itself; the answer is not signed.
  route('GET', '/v3/merchant-service/images/:id', ({ params }, reply) => {
    const picture = readFile(images.get(params.id as string))
    return picture ? reply.type('image/jpeg').send(picture) : notFound('图片不存在')
  })

  return {
    /** A payer complains about a paid order. */
    create (order: Order, { detail, problemType = 'REFUND', refundAmount = order.total_fee, phone = '13800000000' }: NewComplaint): Complaint {
      const it: Complaint = {
        complaint_id: `2002${chinaTime(state.now()).slice(0, 8)}${state.random.digits(15)}`,
        at: chinaTime(state.now()),
        detail,
        state: 'PENDING',
        transaction_id: order.transaction_id,
        out_trade_no: order.out_trade_no,
        mchid: order.sub_mch_id || order.mch_id,
        amount: order.total_fee,
        openid: order.openid,
        phone,
        problem_type: problemType,
        apply_refund_amount: refundAmount,
        times: 1 + [...complaints.values()].filter(({ transaction_id: id }) => id === order.transaction_id).length,
        waiting: true,
        images: [],
        history: []
      }
      complaints.set(it.complaint_id, it)
      orders.note(order, 'complaint filed')
      step(it, '用户', 'USER_CREATE_COMPLAINT', detail)
      notify(it, 'CREATE_COMPLAINT')
      return it
    },
    /** Undefined if there is no such complaint or it is closed. */
    act (id: string, action: PayerAction, detail = ''): Complaint | undefined {
      const it = named(id)
      if (!it || (it.state === 'PROCESSED' && action !== 'continue')) return undefined
      const [type, actionType] = PAYER_ACTIONS[action]
      const isOver = action === 'revoke' || action === 'confirm'
      it.waiting = !isOver
      it.state = isOver ? 'PROCESSED' : it.state === 'PROCESSED' ? 'PENDING' : it.state
      step(it, '用户', type, detail)
      notify(it, actionType)
      return it
    },
    list: () => [...complaints.values()].reverse()
  }
}

export type Complaints = ReturnType<typeof v3Complaints>
