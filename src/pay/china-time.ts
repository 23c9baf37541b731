/** WeChat writes times in China's zone (UTC+8, no summer time), whatever the zone of the server. */

const OFFSET = 8 * 3600_000

/** `yyyyMMddHHmmss`, as v2 writes time_expire and time_end. */
export function toCompactChinaTime (date: Date): string {
  return inChina(date).replace(/\D/g, '').slice(0, 14)
}

/** `yyyy-MM-dd`: the day it is in China. */
export function toChinaDay (date: Date): string {
  return inChina(date).slice(0, 10)
}

/** `yyyy-MM-ddTHH:mm:ss+08:00`, as v3 writes times. */
export function toRfc3339ChinaTime (date: Date): string {
  return `${inChina(date).slice(0, 19)}+08:00`
}

/** Undefined if it is not 14 digits that name a real moment. */
export function fromCompactChinaTime (text: string): Date | undefined {
  return /^\d{14}$/.test(text) ? moment(text, 4, 6, 8, 10, 12) : undefined
}

/** `yyyy-MM-dd HH:mm:ss`, as bills and refund notifications write times. Undefined if it names no real moment. */
export function fromChinaTime (text: string): Date | undefined {
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text) ? moment(text, 5, 8, 11, 14, 17) : undefined
}

/** The numbers are where month, day, hour, minute and second begin. */
function moment (text: string, month: number, day: number, hour: number, minute: number, second: number): Date | undefined {
  const two = (at: number) => Number(text.slice(at, at + 2))
  const time = Date.UTC(Number(text.slice(0, 4)), two(month) - 1, two(day), two(hour), two(minute), two(second))
  const wall = new Date(time)
  // A 31st of April would silently become the 1st of May, a 24th hour the next day's first; Date takes the years 0 to 99 for 1900 to 1999.
  const isReal = text.slice(0, 2) !== '00' && wall.getUTCMonth() === two(month) - 1 && wall.getUTCDate() === two(day) && wall.getUTCHours() === two(hour) && wall.getUTCMinutes() === two(minute) && wall.getUTCSeconds() === two(second)
  return isReal ? new Date(time - OFFSET) : undefined
}

const inChina = (date: Date) => new Date(date.getTime() + OFFSET).toISOString()
