// What the dashboard says: English first, Chinese second.

export const WORDS = {
  title: ['WeChat emulator', '微信模拟器'],
  live: ['live', '实时'],
  away: ['not connected', '未连接'],
  orders: ['Orders', '订单'],
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
