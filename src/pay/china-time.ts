/** WeChat writes times in China's zone (UTC+8, no summer time), whatever the zone of the server. */

const OFFSET = 8 * 3600_000

/** `yyyyMMddHHmmss`, as v2 writes time_expire and time_end. */
export function toCompactChinaTime (date: Date): string {
  return new Date(date.getTime() + OFFSET).toISOString().replace(/\D/g, '').slice(0, 14)
}

/** Undefined if it is not 14 digits that name a real moment. */
export function fromCompactChinaTime (text: string): Date | undefined {
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, '$1-$2-$3T$4:$5:$6')
  const date = new Date(`${iso}+08:00`)
  // A 31st of April would silently become the 1st of May.
  return iso !== text && !Number.isNaN(date.getTime()) && toCompactChinaTime(date) === text ? date : undefined
}
