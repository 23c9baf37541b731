/** fast-xml-parser takes a third of the package's import time, so it is loaded with the first request. */
let loaded: Promise<typeof import('./write-xml.ts')> | undefined

/** `writeXml`, loaded by the first call. */
export async function xmlWriter (): Promise<typeof import('./write-xml.ts').writeXml> {
  loaded ??= import('./write-xml.ts')
  return (await loaded).writeXml
}
