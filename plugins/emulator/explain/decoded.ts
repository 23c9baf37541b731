/** A url as its percent-encoding reads; undefined where that is malformed. */
export function decoded (url: string): string | undefined {
  try {
    return decodeURIComponent(url)
  } catch {
    return undefined
  }
}
