/** Generates a day's trade bill in WeChat's format with any number of rows: payments of 0.29 yuan in chronological order. */
const NAMES = '交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n'
const row = (number: number, at: string) => `\`${at},\`wxab8acd895ab1638a,\`1921000401,\`0,\`,\`42000${String(number).padStart(23, '0')},\`A${number},\`oUpF8uMuAJO_M2pxb1Q9zNjWeS6o,\`JSAPI,\`SUCCESS,\`OTHERS,\`CNY,\`0.29,\`0.00,\`0,\`0,\`0.00,\`0.00,\`,\`,\`云南咖啡, 大杯,\`,\`0.00000,\`0.60%,\`0.29,\`0.00,\`\r\n`

const DAY = Date.UTC(2026, 10, 20)
/** The time of payment `number` of `rows`, in milliseconds since midnight in China. */
export const since = (number: number, rows: number): number => Math.floor(number / rows * 86_400) * 1000
const inChina = (number: number, rows: number): string => new Date(DAY + since(number, rows)).toISOString().slice(0, 19).replace('T', ' ')

export const ROW_BYTES = Buffer.byteLength(row(1_000_000, inChina(0, 1)))

export async function * billText (rows: number): AsyncGenerator<Buffer> {
  yield Buffer.from(NAMES)
  const block: string[] = []
  for (let number = 0; number < rows; number++) {
    if (block.push(row(number, inChina(number, rows))) === 200) yield Buffer.from(block.splice(0).join(''))
  }
  yield Buffer.from(block.join(''))
  const sum = ((rows * 29) / 100).toFixed(2)
  yield Buffer.from(`总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n\`${rows}.0,\`${sum},\`0.00,\`0.0,\`0.0,\`${sum},\`0.00\r\n`)
}
