// What the dashboard says: English first, Chinese second.

export const WORDS = {
  title: ['WeChat emulator', '微信模拟器'],
  live: ['live', '实时'],
  away: ['not connected', '未连接'],
  orders: ['Orders', '订单'],
  transfers: ['Transfers', '转账'],
  sharing: ['Profit sharing', '分账'],
  services: ['Services', '服务与签约'],
  complaints: ['Complaints', '投诉'],
  messages: ['Messages', '消息'],
  search: ['Search: number, openid, words …', '搜索：单号、openid、任意文字'],
  noneFound: ['Nothing found.', '没有找到。'],
  noRecords: ['Nothing yet.', '暂无记录。'],
  newer: ['Newer', '较新'],
  older: ['Older', '较早'],
  everything: ['All that is known of it', '全部字段'],
  confirm: ['Confirm receipt', '确认收款'],
  calls: ['API calls', '接口调用'],
  notifications: ['Notifications', '通知'],
  trouble: ['Faults and tools', '故障与工具'],
  noOrders: ['No orders yet: place one with your app.', '还没有订单，请用你的应用下单。'],
  noCalls: ['No calls yet: point your app at this emulator.', '还没有调用，请把你的应用指向本模拟器。'],
  noNotifications: ['No notifications yet: they follow a payment or a refund.', '还没有通知，支付或退款之后会发出。'],
  pay: ['Pay', '支付'],
  cancel: ['Cancel', '取消支付'],
  refund: ['Refund', '退款'],
  refundAsked: ['refund asked for', '申请退款'],
  resend: ['Send again', '再发一次'],
  accepted: ['accepted', '成功'],
  refused: ['refused', '拒绝'],
  broken: ['fault', '故障'],
  notAccepted: ['not accepted', '未成功'],
  attempt: ['attempt', '第几次：'],
  request: ['Request', '请求'],
  reply: ['Reply', '应答'],
  expected: ['Text to be signed, as expected', '期望的签名原文'],
  implied: ['Text that your app signed', '你的应用实际签名的原文'],
  signature: ['Signature received', '收到的签名'],
  algorithm: ['Algorithm', '算法'],
  notKnown: ['not to be told from the signature', '无法从签名反推'],
  sameText: ['the same text', '与期望的相同'],
  callFaults: ['Calls meet', '接口调用遇到'],
  newsFaults: ['Notifications meet', '通知遇到'],
  anyPath: ['any call', '所有接口'],
  tools: ['Tools', '工具'],
  expire: ['Expire access_token', '让 access_token 失效'],
  expireAll: ['Expire tokens and tickets', '让 token 与 ticket 都失效'],
  fiveMinutes: ['Clock + 5 minutes', '时间快进 5 分钟'],
  twoHours: ['Clock + 2 hours', '时间快进 2 小时'],
  day: ['Clock + 1 day', '时间快进 1 天'],
  today: ['Clock back to now', '时间恢复为现在'],
  rotate: ['New platform certificate', '更换平台证书'],
  keyMode: ['APIv3 keys', 'APIv3 验签方式'],
  issued: ['issued', '已发放'],
  done: ['Done', '已完成'],
  notified: ['notified', '已通知'],
  notNotified: ['notification failed', '通知失败'],
  language: ['中文', 'English'],
  balance: ['balance', '余额']
}
export const STATES = {
  NOTPAY: ['unpaid', '待支付'],
  USERPAYING: ['paying', '支付中'],
  SUCCESS: ['paid', '已支付'],
  REFUND: ['refunded', '已退款'],
  CLOSED: ['closed', '已关闭'],
  REVOKED: ['reversed', '已撤销'],
  PAYERROR: ['failed', '支付失败'],
  PROCESSING: ['refunding', '退款中']
}
/** Of everything but orders. */
export const RECORD_STATES = {
  SUCCESS: ['done', '成功'],
  CLOSED: ['closed', '已关闭'],
  REVOKED: ['revoked', '已取消'],
  PROCESSING: ['in progress', '处理中'],
  WAIT_USER_CONFIRM: ['waits for the receiver', '待收款用户确认'],
  ACCEPTED: ['accepted', '已受理'],
  FAIL: ['failed', '失败'],
  CANCELLED: ['cancelled', '已撤销'],
  FINISHED: ['finished', '已完成'],
  PENDING: ['not yet handled', '待处理'],
  PROCESSED: ['handled', '已处理完成'],
  CREATED: ['created', '已创建'],
  DOING: ['in progress', '进行中'],
  DONE: ['done', '已完成'],
  EXPIRED: ['expired', '已失效'],
  WAITING: ['waiting', '待签约'],
  SIGNED: ['signed', '已签约'],
  TERMINATED: ['ended', '已解约'],
  redpack: ['red packet', '现金红包'],
  transfer: ['transfer', '企业付款'],
  template: ['template message', '模板消息'],
  subscribe: ['subscribed message', '订阅消息'],
  custom: ['customer service', '客服消息']
}
/** What a row of each table is. */
export const TABLES = {
  transfers: ['transfer', '商家转账'],
  payouts: ['payout', '付款'],
  transferBatches: ['batch', '批量转账'],
  bankTransfers: ['to a bank card', '付款到银行卡'],
  withdrawals: ['withdrawal', '提现'],
  profitShares: ['shared', '分账'],
  profitReturns: ['returned', '分账回退'],
  serviceOrders: ['service order', '支付分订单'],
  contracts: ['contract', '委托代扣签约'],
  complaints: ['complaint', '投诉'],
  messages: ['message', '消息']
}
export const HAPPENED = {
  placed: '已下单', paid: '已支付', closed: '已关闭', expired: '已过期', scanned: '已扫码', reversed: '已撤销', 'cancelled at the cashier': '收银台取消', 'profit shared': '已分账'
}
export const CALL_FAULTS = [
  ['hang', 'no answer', '不应答'], ['reset', 'connection cut', '连接被断开'], ['502', 'a gateway\'s 502', '网关 502'], ['html', 'an HTML page with 200', '200 但返回 HTML'],
  ['garbage', 'neither XML nor JSON', '乱码'], ['slow', 'answered after 3 s', '3 秒后才应答'], ['SYSTEMERROR', 'WeChat\'s SYSTEMERROR', '微信 SYSTEMERROR']
]
export const NEWS_FAULTS = [
  ['drop', 'lost on the way', '丢失'], ['delay', '3 s late', '延迟 3 秒'], ['duplicate', 'three times, one after another', '连发三次'],
  ['concurrent', 'three times at once', '并发三次'], ['forge', 'wrong signature', '签名错误']
]
