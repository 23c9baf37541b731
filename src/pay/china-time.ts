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
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, '$1-$2-$3 $4:$5:$6')
  return iso === text ? undefined : fromChinaTime(iso)
}

/** `yyyy-MM-dd HH:mm:ss`, as bills and refund notifications write times. Undefined if it names no real moment. */
export function fromChinaTime (text: string): Date | undefined {
  const date = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text) ? new Date(`${text.replace(' ', 'T')}+08:00`) : undefined
  // A 31st of April would silently become the 1st of May.
  return date && !Number.isNaN(date.getTime()) && inChina(date).slice(0, 19).replace('T', ' ') === text ? date : undefined
}

const inChina = (date: Date) => new Date(date.getTime() + OFFSET).toISOString()
