import { WechatInputError } from '../errors.ts'

/** Checks the merchant's numbers of shares and returns, in v2 and v3. @throws WechatInputError naming the field */
export function checkShareNumber (field: 'outOrderNo' | 'outReturnNo', value: unknown): string {
  if (typeof value !== 'string' || !/^[0-9A-Za-z_\-|*@]{1,64}$/.test(value)) throw new WechatInputError(field, 'must be 1 to 64 of 0-9 A-Z a-z _ - | * @')
  return value
}
