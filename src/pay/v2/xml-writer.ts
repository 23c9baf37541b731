/** fast-xml-parser is a third of what importing the package takes, and the first request that is written is soon enough for it. */
let loaded: Promise<typeof import('./write-xml.ts')> | undefined

/** `writeXml`, loaded by the first call. */
export async function xmlWriter (): Promise<typeof import('./write-xml.ts').writeXml> {
  loaded ??= import('./write-xml.ts')
  return (await loaded).writeXml
}
