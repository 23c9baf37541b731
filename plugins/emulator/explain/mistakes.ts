/** Common signing mistakes, in both languages. */

export interface Mistake {
  /** For programs. */
  id: string
  en: string
  zh: string
}

const TEXTS = {
  'lower-case': ['The signature is right, but in lower case: v2 requires upper-case hex.', '签名内容正确，但用了小写：v2 签名须转为大写。'],
  'upper-case': ['The signature is right, but in upper case: the JS-SDK requires lower-case hex.', '签名内容正确，但用了大写：JS-SDK 签名须为小写十六进制。'],
  'other-algorithm': ['Signed with a different algorithm than sign_type (MD5 instead of HMAC-SHA256, or the reverse).', '签名算法与 sign_type 不一致（MD5 与 HMAC-SHA256 用反了）。'],
  'hmac-key': ['The HMAC was created with a key that is not the API key (often an empty one).', 'HMAC-SHA256 的密钥不是 API 密钥（常见是漏传密钥）。'],
  'key-missing': ['“&key=” and the API key were not appended before hashing.', '签名前没有在末尾拼接“&key=API密钥”。'],
  'api-v3-key': ['Signed with the APIv3 key: v2 has its own API key.', '误用了 APIv3 密钥：v2 有单独的 API 密钥。'],
  'app-secret': ['Signed with the AppSecret instead of the API key.', '误用了 AppSecret，应使用商户平台的 API 密钥。'],
  'key-upper-case': ['The API key was converted to upper case.', 'API 密钥被转成了大写。'],
  unsorted: ['The parameters were not sorted by name: byte order (ASCII), ascending.', '参数没有按名称的 ASCII 码从小到大排序。'],
  'sorted-ignoring-case': ['Sorted case-insensitively: upper case comes before lower case (byte order).', '排序时忽略了大小写：应按 ASCII 码排序，大写在前。'],
  'empty-included': ['Parameters with an empty value were included: leave them out of the signature.', '空值参数也参与了签名：值为空的参数不参与签名。'],
  'url-encoded': ['The values were URL-encoded before signing: sign them unencoded.', '签名前对参数值做了 URL 编码：应使用原始值。'],
  'xml-escaped': ['The values were XML-escaped (&amp; for &) before signing.', '签名前对参数值做了 XML 转义（如 & 变成 &amp;）。'],
  trimmed: ['Whitespace around a value was removed before signing, but sent.', '签名时去掉了参数值首尾的空格，发送时却没有去掉。'],
  'sign-type-changed': ['sign_type was signed with a different value, or not at all.', 'sign_type 参与签名的值与发送的值不一致，或未参与签名。'],
  'timestamp-case': ['“timestamp” was signed instead of “timeStamp” (capital S).', '签名时用了 timestamp，应为 timeStamp（S 大写）。'],
  'names-lower-case': ['Names in lower case were signed (appid, noncestr, timestamp): WeixinJSBridge requires appId, nonceStr, timeStamp.', '签名用了全小写的参数名（appid、noncestr、timestamp），应为 appId、nonceStr、timeStamp。'],
  'names-camel-case': ['“nonceStr” and “timeStamp” were signed: in the JS-SDK signature all names are lower case (noncestr, timestamp).', '签名用了 nonceStr、timeStamp：JS-SDK 签名的参数名须全部小写（noncestr、timestamp）。'],
  'bare-prepay-id': ['The bare prepay_id was signed: JSAPI and mini programs sign “prepay_id=…”.', '签名用了裸的 prepay_id：JSAPI 与小程序须签“prepay_id=…”。'],
  'prefixed-prepay-id': ['“prepay_id=…” was signed: an app signs the bare prepay_id.', '签名用了“prepay_id=…”：APP 支付须签裸的 prepay_id。'],
  'another-app-id': ['appId is not the order\'s.', 'appId 与下单时的 appid 不一致。'],
  'sign-type-other': ['signType is not the order\'s: always send it, with the value used to place the order (RSA for APIv3).', 'signType 与下单时不一致：必须始终传，且与下单一致（v3 为 RSA）。'],
  'timestamp-number': ['timeStamp must be a string, both in the page and in the signature.', 'timeStamp 必须是字符串。'],
  'signed-as-v2': ['Signed like v2 (hash and API key): an APIv3 order is signed with the merchant\'s RSA key.', '按 v2 方式（API 密钥）签名了：v3 下单须用商户私钥做 RSA 签名。'],
  'body-reserialized': ['The body was serialized again after signing: sign and send the same bytes.', '签名后又重新序列化了请求体：签名与发送的必须是同一串字节。'],
  'body-left-out': ['The body was not signed.', '请求体没有参与签名。'],
  'body-invented': ['A body was signed, but none was sent: the last line of a GET is empty.', '签名时带了请求体，实际没有发送：GET 请求最后一行为空。'],
  'query-left-out': ['The query was not signed: the second line is path and query.', '查询串没有参与签名：第二行是“路径?查询串”。'],
  'whole-url': ['The whole URL was signed: the second line is the path with its query, without scheme and host.', '签名用了完整 URL：第二行只要路径与查询串，不含协议和域名。'],
  'path-decoded': ['The path was signed decoded: it is signed percent-encoded, as sent.', '签名用了解码后的路径：应与实际发送的（已编码）一致。'],
  'no-last-newline': ['The line feed after the last line is missing: each line ends with one, including the last.', '最后一行缺少换行符：每一行（包括最后一行）都以 \\n 结尾。'],
  'crlf-lines': ['The lines end with \\r\\n: use only a line feed (\\n).', '行尾用了 \\r\\n：应只用 \\n。'],
  'lower-case-method': ['The method was signed in lower case.', '请求方法用了小写。'],
  'signature-hex': ['The signature was sent as hex: Base64 is required.', '签名以十六进制发送：须用 Base64。'],
  'wrong-key': ['Not signed with this merchant\'s private key (apiclient_key.pem): a different key, or another merchant\'s certificate.', '不是用本商户的私钥（apiclient_key.pem）签名的：密钥用错，或是别的商户的。'],
  'other-hash': ['The right key, but a hash other than SHA-256.', '密钥正确，但摘要算法不是 SHA-256。'],
  'other-text': ['The right key and algorithm, but a different text was signed: compare it with the expected text, line by line.', '密钥与算法都正确，但签名的内容不同：请逐行与期望的签名串比对。'],
  'url-fragment': ['The URL was signed with its fragment: remove “#” and everything after it.', '签名的 url 带了 # 之后的部分：应去掉 # 及其后内容。'],
  'url-query-cut': ['The URL was signed without its query: sign the full URL, including “?…”.', '签名的 url 去掉了查询串：应为包含 ? 参数的完整地址。'],
  'url-escaped': ['The URL was HTML-escaped (&amp; for &) before signing.', '签名的 url 被 HTML 转义了（& 变成 &amp;）。'],
  'url-encoded-whole': ['The URL was signed encoded (encodeURIComponent): encode it only to send it to your server.', '签名的 url 是 encodeURIComponent 之后的：编码只用于传给后端，签名须用原值。'],
  'url-decoded': ['The URL was signed decoded: sign it as the browser has it.', '签名的 url 被解码了：应与浏览器地址栏完全一致。'],
  'url-scheme': ['The URL was signed with the wrong scheme (http instead of https, behind a proxy): sign the one that the browser sees.', '签名的 url 协议不对（代理之后 http 与 https 弄反）：以浏览器看到的为准。'],
  'url-slash': ['The URL differs by a slash at its end.', '签名的 url 结尾多或少了一个斜杠。'],
  'url-origin': ['Only the origin was signed: sign the full URL of the page.', '只签了域名部分：应为当前页面的完整地址。'],
  'url-other-page': ['Signed for a page that was open before: a single-page app signs the current URL on Android, the first one on iOS.', '签的是之前打开的页面：单页应用在安卓上签当前地址，在 iOS 上签首次进入的地址。'],
  'ticket-dead': ['Signed with a jsapi_ticket that has expired.', '使用了已过期的 jsapi_ticket。'],
  'ticket-card': ['Signed with a wx_card ticket: use type=jsapi.', '使用了 wx_card 的 ticket：应为 type=jsapi。'],
  'ticket-token': ['Signed with the access_token: use the jsapi_ticket.', '误用了 access_token：应使用 jsapi_ticket。'],
  'xml-root': ['The root of the document is neither <xml> nor <root>: WeChat treats it as empty. In Go, name the struct: XMLName xml.Name `xml:"xml"`.', '根元素既不是 <xml> 也不是 <root>：微信会当作空请求。Go 请给结构体加上 XMLName xml.Name `xml:"xml"`。'],
  'xml-doctype': ['The document has a DOCTYPE: it is refused without being read.', '报文带有 DOCTYPE：会被直接拒绝。'],
  'xml-malformed': ['The document is not well-formed XML, or has a duplicate or nested field.', '报文不是格式良好的 XML，或有重复、嵌套的字段。'],
  'multipart-boundary': ['The Content-Type of the upload names no boundary, so its meta cannot be found: let the HTTP library set the header.', '上传请求的 Content-Type 没有 boundary，无法取出 meta：请让 HTTP 库自行设置该请求头。'],
  unknown: ['None of the usual mistakes produces this signature. Usually the key is wrong; otherwise compare the text you signed with the expected text, byte by byte.', '常见错误都得不到这个签名：最可能是密钥不对；否则请将你的签名原文与期望的逐字节比对。']
} as const

export type MistakeId = keyof typeof TEXTS | `left-out:${string}`

export function mistake (id: MistakeId): Mistake {
  if (id.startsWith('left-out:')) {
    const name = id.slice('left-out:'.length)
    return { id, en: `“${name}” was sent but not signed.`, zh: `参数 ${name} 已发送，但没有参与签名。` }
  }
  const [en, zh] = TEXTS[id as keyof typeof TEXTS]
  return { id, en, zh }
}
