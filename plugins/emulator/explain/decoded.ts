/** The percent-decoded URL; undefined if it is malformed. */
export function decoded (url: string): string | undefined {
  try {
    return decodeURIComponent(url)
  } catch {
    return undefined
  }
}
