/** WeChat's times are in China's time zone (UTC+8, no daylight saving time), independent of the server's zone. */

const OFFSET = 8 * 3600_000

/** `yyyyMMddHHmmss`: v2's format of time_expire and time_end. */
export function toCompactChinaTime (date: Date): string {
  return inChina(date).replace(/\D/g, '').slice(0, 14)
}

/** `yyyy-MM-dd`: the date in China. */
export function toChinaDay (date: Date): string {
  return inChina(date).slice(0, 10)
}

/** `yyyy-MM-ddTHH:mm:ss+08:00`: v3's time format. */
export function toRfc3339ChinaTime (date: Date): string {
  return `${inChina(date).slice(0, 19)}+08:00`
}

/** Undefined if it is not 14 digits of a real time. */
export function fromCompactChinaTime (text: string): Date | undefined {
  return /^\d{14}$/.test(text) ? moment(text, 4, 6, 8, 10, 12) : undefined
}

/** `yyyy-MM-dd HH:mm:ss`: the format of bills and refund notifications. Undefined if it is not a real time. */
export function fromChinaTime (text: string): Date | undefined {
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text) ? moment(text, 5, 8, 11, 14, 17) : undefined
}

/** The numbers are the positions of month, day, hour, minute and second. */
function moment (text: string, month: number, day: number, hour: number, minute: number, second: number): Date | undefined {
  const two = (at: number) => Number(text.slice(at, at + 2))
  const time = Date.UTC(Number(text.slice(0, 4)), two(month) - 1, two(day), two(hour), two(minute), two(second))
  const wall = new Date(time)
  // Date would silently turn April 31 into May 1 and hour 24 into the next day, and reads the years 0 to 99 as 1900 to 1999.
  const isReal = text.slice(0, 2) !== '00' && wall.getUTCMonth() === two(month) - 1 && wall.getUTCDate() === two(day) && wall.getUTCHours() === two(hour) && wall.getUTCMinutes() === two(minute) && wall.getUTCSeconds() === two(second)
  return isReal ? new Date(time - OFFSET) : undefined
}

const inChina = (date: Date) => new Date(date.getTime() + OFFSET).toISOString()
