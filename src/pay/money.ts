/** Money is integer fen everywhere; only bills and pages use yuan. No conversion uses fractions. */

/**
 * Yuan with up to five decimals as an integer of 0.00001 yuan (a thousandth of a fen): the unit of a bill's fees.
 * Undefined if it is not a valid number.
 */
export function yuanToMilliFen (text: string): number | undefined {
  const [, sign, whole = '', fraction = ''] = /^(-?)(\d{1,10})(?:\.(\d{1,5}))?$/.exec(text) ?? []
  if (whole === '') return undefined
  const amount = Number(whole + fraction.padEnd(5, '0'))
  return sign && amount !== 0 ? -amount : amount
}

/** Converts yuan to integer fen; undefined if it is not a number, or not a whole number of fen. */
export function yuanToFen (text: string): number | undefined {
  const amount = yuanToMilliFen(text)
  return amount === undefined || amount % 1000 !== 0 ? undefined : amount / 1000
}

/** Formats fen as yuan with two decimals, for display. */
export function fenToYuan (fen: number): string {
  const digits = String(Math.abs(fen)).padStart(3, '0')
  return `${fen < 0 ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
}
