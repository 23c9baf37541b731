/** Checks keys and certificates without the network: type, format, and whether they belong together. */
import { X509Certificate } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { requireSecret } from '../options.ts'
import { createEncryptedStore } from '../store/encrypted.ts'
import { createMemoryStore } from '../store/memory.ts'
import { check, fails, passes, skips, UNUSED, warns } from './check.ts'
import { clientCertificate } from './client-certificate.ts'
import type { CheckContext } from './context.ts'
import { isSigner, kindOf, lifeOf, pemOf, privateKeyIn, publicKeyIn } from './pem.ts'

const textOf = (value: unknown): string => value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : typeof value === 'string' ? value : ''

/** A key of 32 characters: one, or a list during a change. */
function secretProblem (value: unknown, endpoint: string): 'fits' | 'missing' | 'placeholder' | 'length' | 'emulator' {
  for (const one of [value].flat()) {
    if (textOf(one) === '') return 'missing'
    try {
      requireSecret('it', one, 32, endpoint)
    } catch (error) {
      const { message } = error as Error
      return /placeholder/.test(message) ? 'placeholder' : /emulator/.test(message) ? 'emulator' : 'length'
    }
  }
  return 'fits'
}

const secretMessages = (name: string, whereEn: string, whereZh: string) => ({
  unused: UNUSED,
  fits: passes(`${name} has 32 characters`, `${name} 为 32 位`),
  missing: fails(`${name} is missing`, `缺少 ${name}`, whereEn, whereZh),
  placeholder: fails(`${name} is still a placeholder`, `${name} 仍是占位内容`, whereEn, whereZh),
  length: fails(`${name} does not have 32 visible characters`, `${name} 不是 32 位可见字符`, `${whereEn} Check for blanks, quotes and line breaks at both ends.`, `${whereZh}请检查首尾是否混入空格、引号或换行。`),
  emulator: fails(`${name} is an emulator's key, but the endpoints are WeChat's own`, `${name} 是模拟器的密钥，但请求会发往真实微信`, 'Use the account\'s real key, or set endpoints to the emulator.', '请换成真实密钥，或把 endpoints 指向模拟器。')
})

const v3Of = ({ options }: CheckContext) => options.merchant?.v3
const v2Of = ({ options }: CheckContext) => options.merchant?.v2

const END = {
  expired: fails('{name} expired on {end}', '{name} 已于 {end} 过期', 'Issue a new API certificate in WeChat Pay\'s console (Account centre, API security).', '请在商户平台「账户中心 - API 安全」更换 API 证书。'),
  early: fails('{name} is only valid from {begin}', '{name} 自 {begin} 起才有效', 'Check this machine\'s clock.', '请检查本机时间是否正确。'),
  soon: warns('{name} expires on {end}, in {days} days', '{name} 将于 {end} 过期（还剩 {days} 天）', 'Issue a new API certificate in WeChat Pay\'s console (Account centre, API security) before that day.', '请在到期前于商户平台「账户中心 - API 安全」更换 API 证书。')
}

export const keyChecks = [
  check('keys.app-id', {
    messages: {
      unused: UNUSED,
      fits: passes('appId has the right format', 'appId 格式正确'),
      missing: fails('appId is missing', '缺少 appId', 'It is in mp.weixin.qq.com, Settings & Development, Basic configuration: wx and 16 hex digits.', '见公众平台「设置与开发 - 基本配置」：wx 加 16 位十六进制。'),
      odd: fails('appId has the wrong format (expected: wx and 16 hex digits)', 'appId 格式不对（应为 wx 加 16 位十六进制）', 'Copy it from mp.weixin.qq.com, Settings & Development, Basic configuration. The merchant number (mchId) is something else.', '请从公众平台「设置与开发 - 基本配置」复制；注意它不是商户号。')
    },
    run: ({ options: { appId } }) => appId === undefined || appId === '' ? 'missing' : /^wx[0-9a-f]{16}$/.test(appId) ? 'fits' : 'odd'
  }),

  check('keys.app-secret', {
    messages: secretMessages('appSecret', 'It is in mp.weixin.qq.com, Settings & Development, Basic configuration; it is shown once.', '见公众平台「设置与开发 - 基本配置」，只显示一次。'),
    // Not needed for payments only.
    run: ({ options: { appSecret, merchant, onLogin }, endpoints }) => appSecret === undefined && merchant && !onLogin ? 'unused' : secretProblem(appSecret, endpoints.api)
  }),

  check('keys.mch-id', {
    messages: {
      unused: UNUSED,
      fits: passes('mchId has the right format', '商户号格式正确'),
      missing: fails('merchant.mchId is missing', '缺少 merchant.mchId', 'It is in pay.weixin.qq.com, Account centre: a number of 8 to 10 digits.', '见商户平台「账户中心」：8 到 10 位数字。'),
      odd: fails('merchant.mchId is not a number of 8 to 10 digits', 'merchant.mchId 不是 8 到 10 位数字', 'Copy it from pay.weixin.qq.com, Account centre.', '请从商户平台「账户中心」复制。')
    },
    run: ({ options: { merchant } }) => !merchant ? 'unused' : !merchant.mchId ? 'missing' : /^\d{8,10}$/.test(merchant.mchId) ? 'fits' : 'odd'
  }),

  check('keys.v2-key', {
    messages: secretMessages('merchant.v2.apiKey', 'It is set in pay.weixin.qq.com, Account centre, API security (API key, v2).', '在商户平台「账户中心 - API 安全」设置（APIv2 密钥）。'),
    run: context => v2Of(context) ? secretProblem(v2Of(context)?.apiKey, context.endpoints.pay) : 'unused'
  }),

  check('keys.v3-key', {
    messages: secretMessages('merchant.v3.apiV3Key', 'It is set in pay.weixin.qq.com, Account centre, API security (APIv3 key).', '在商户平台「账户中心 - API 安全」设置（APIv3 密钥）。'),
    run: context => v3Of(context) ? secretProblem(v3Of(context)?.apiV3Key, context.endpoints.pay) : 'unused'
  }),

  check('keys.distinct', {
    needs: ['keys.app-secret', 'keys.v2-key', 'keys.v3-key'],
    messages: {
      unused: skips('there is only one key', '只有一个密钥'),
      distinct: passes('appSecret, API key and APIv3 key are different', 'appSecret、APIv2 密钥、APIv3 密钥互不相同'),
      same: warns('{one} and {other} are the same', '{one} 与 {other} 相同', 'They are set in different places: one was probably pasted twice. If you chose the same value on purpose, change one: anyone who learns it has both.', '二者在不同位置设置，很可能粘贴错了；若确实设成一样，请改用不同的密钥。')
    },
    run (context) {
      const keys = Object.entries({ appSecret: context.options.appSecret, 'merchant.v2.apiKey': v2Of(context)?.apiKey, 'merchant.v3.apiV3Key': v3Of(context)?.apiV3Key })
        .flatMap(([name, value]) => [value].flat().filter(Boolean).map(key => ({ name, key: textOf(key) })))
      if (keys.length < 2) return 'unused'
      for (const one of keys) {
        const other = keys.find(other => other.name !== one.name && other.key === one.key)
        if (other) return { outcome: 'same', values: { one: one.name, other: other.name } }
      }
      return 'distinct'
    }
  }),

  check('keys.private-key', {
    messages: {
      unused: UNUSED,
      signer: passes('the private key is in your own signer (KMS or HSM)', '私钥由自定义签名器持有'),
      fits: passes('the private key can be read: RSA, {bits} bits', '私钥可用：RSA {bits} 位'),
      missing: fails('merchant.v3.privateKey is missing', '缺少 merchant.v3.privateKey', 'Set it to the content of apiclient_key.pem.', '应为 apiclient_key.pem 的内容。'),
      other: fails('merchant.v3.privateKey is {kind}', 'merchant.v3.privateKey 是{kind}', 'It must be the content of apiclient_key.pem.', '应为 apiclient_key.pem 的内容。'),
      damaged: fails('merchant.v3.privateKey starts like a private key, but cannot be read', 'merchant.v3.privateKey 形似私钥，但无法读取', 'It may be truncated, or an environment variable lost its line breaks. Read it from apiclient_key.pem again.', '是否被截断，或经环境变量丢失了换行？请重新读取 apiclient_key.pem。'),
      small: fails('the private key is not RSA with 2048 bits', '私钥不是 2048 位 RSA', 'WeChat Pay issues RSA keys with 2048 bits: this is a different key.', '微信支付签发的是 2048 位 RSA 私钥，这不是它。')
    },
    run (context) {
      const v3 = v3Of(context)
      if (!v3) return 'unused'
      if (isSigner(v3.privateKey)) return 'signer'
      const pem = pemOf(v3.privateKey)
      if (pem === '') return 'missing'
      const kind = kindOf(pem)
      if (kind.id !== 'private key') return { outcome: 'other', values: { kind } }
      const key = privateKeyIn(pem)
      if (!key) return 'damaged'
      const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
      return key.asymmetricKeyType === 'rsa' && bits >= 2048 ? { outcome: 'fits', values: { bits } } : 'small'
    }
  }),

  check('keys.certificate', {
    needs: ['keys.private-key', 'keys.mch-id'],
    messages: {
      unused: skips('merchant.v3.certificate is not set: the private key cannot be compared with it', '未提供 merchant.v3.certificate，无法与私钥比对'),
      fits: passes('the certificate belongs to the private key and to the merchant', '证书与私钥、商户号一致'),
      other: fails('merchant.v3.certificate is {kind}', 'merchant.v3.certificate 是{kind}', 'It must be the content of apiclient_cert.pem.', '应为 apiclient_cert.pem 的内容。'),
      foreign: fails('merchant.v3.certificate does not belong to merchant.v3.privateKey', 'merchant.v3.certificate 与 merchant.v3.privateKey 不配套', 'apiclient_cert.pem and apiclient_key.pem are from different downloads: take both from the same one.', 'apiclient_cert.pem 与 apiclient_key.pem 不是同一次下载的，请使用同一套文件。'),
      merchant: fails('the certificate belongs to merchant {whose}, which is not merchant.mchId', '证书属于商户号 {whose}，与 merchant.mchId 不一致', 'Set that merchant\'s number, or use this merchant\'s own certificate and key.', '请改用对应的商户号，或换成该商户号的证书和私钥。')
    },
    run (context) {
      const v3 = v3Of(context)
      if (!v3?.certificate) return 'unused'
      const pem = pemOf(v3.certificate)
      let certificate
      try {
        certificate = new X509Certificate(pem)
      } catch {
        return { outcome: 'other', values: { kind: kindOf(pem) } }
      }
      const kind = kindOf(pem)
      if (kind.id === 'platform certificate') return { outcome: 'other', values: { kind } }
      const key = isSigner(v3.privateKey) ? undefined : privateKeyIn(pemOf(v3.privateKey))
      if (key && !certificate.checkPrivateKey(key)) return 'foreign'
      const whose = /CN=(\d+)$/m.exec(certificate.subject)?.[1]
      return whose !== undefined && whose !== context.options.merchant?.mchId ? { outcome: 'merchant', values: { whose } } : 'fits'
    }
  }),

  check('keys.certificate-end', {
    needs: ['keys.certificate'],
    messages: { unused: skips('merchant.v3.certificate is not set', '未提供 merchant.v3.certificate'), fits: passes('the certificate is valid until {end}', '证书有效期至 {end}'), ...END },
    run (context) {
      const pem = v3Of(context)?.certificate
      return pem ? lifeOf(new X509Certificate(pemOf(pem)), 'merchant.v3.certificate') : 'unused'
    }
  }),

  check('keys.serial-no', {
    needs: ['keys.certificate'],
    messages: {
      unused: UNUSED,
      fits: passes('the serial number has the right format', '证书序列号格式正确'),
      read: passes('the serial number is read from the certificate', '证书序列号取自证书'),
      missing: fails('merchant.v3.serialNo is missing, and so is certificate, which contains it', '缺少 merchant.v3.serialNo（也未提供可从中读取的 certificate）', 'Set certificate (apiclient_cert.pem), or the serial number from pay.weixin.qq.com, Account centre, API security.', '请提供 certificate（apiclient_cert.pem），或从商户平台「账户中心 - API 安全」复制序列号。'),
      publicKey: fails('merchant.v3.serialNo is the id of WeChat Pay\'s public key', 'merchant.v3.serialNo 填成了微信支付公钥 ID', 'Put PUB_KEY_ID_… into publicKeyId; serialNo is the serial number of the merchant\'s own certificate.', 'PUB_KEY_ID_… 应填入 publicKeyId；serialNo 是商户自己证书的序列号。'),
      odd: fails('merchant.v3.serialNo is not hexadecimal', 'merchant.v3.serialNo 不是十六进制', 'Copy it from pay.weixin.qq.com, Account centre, API security, or set certificate instead.', '请从商户平台「账户中心 - API 安全」复制，或改为提供 certificate。'),
      other: fails('merchant.v3.serialNo belongs to another certificate: certificate has {serial}', 'merchant.v3.serialNo 与证书不符：证书的序列号是 {serial}', 'Leave serialNo out: it is read from the certificate.', '可省略 serialNo，会自动从证书读取。')
    },
    run (context) {
      const v3 = v3Of(context)
      if (!v3) return 'unused'
      const { serialNo } = v3
      const own = v3.certificate && new X509Certificate(pemOf(v3.certificate)).serialNumber
      if (!serialNo) return own ? 'read' : 'missing'
      if (serialNo.startsWith('PUB_KEY_ID_')) return 'publicKey'
      if (!/^[0-9A-F]{8,64}$/i.test(serialNo)) return 'odd'
      return own && own !== serialNo.toUpperCase() ? { outcome: 'other', values: { serial: own } } : 'fits'
    }
  }),

  check('keys.public-key', {
    messages: {
      unused: UNUSED,
      none: skips('not set: WeChat Pay\'s platform certificates are used', '未提供微信支付公钥，使用平台证书'),
      fits: passes('WeChat Pay\'s public key can be read, and its id has the right format', '微信支付公钥可用，公钥 ID 格式正确'),
      noId: fails('merchant.v3.publicKey is set, but publicKeyId is missing', '提供了 publicKey，但缺少 merchant.v3.publicKeyId', 'It starts with PUB_KEY_ID_ and is shown next to the key in pay.weixin.qq.com, Account centre, API security.', '以 PUB_KEY_ID_ 开头，见商户平台「账户中心 - API 安全」中的微信支付公钥。'),
      noKey: fails('merchant.v3.publicKeyId is set, but publicKey is missing', '提供了 publicKeyId，但缺少 merchant.v3.publicKey', 'Set it to the content of pub_key.pem: pay.weixin.qq.com, Account centre, API security.', '应为 pub_key.pem 的内容，可在商户平台「账户中心 - API 安全」下载。'),
      oddId: fails('merchant.v3.publicKeyId does not start with PUB_KEY_ID_', 'merchant.v3.publicKeyId 不是以 PUB_KEY_ID_ 开头', 'A certificate\'s serial number is something else. Copy the id from pay.weixin.qq.com, Account centre, API security.', '证书序列号不是公钥 ID，请从商户平台「账户中心 - API 安全」复制公钥 ID。'),
      other: fails('merchant.v3.publicKey is {kind}', 'merchant.v3.publicKey 是{kind}', 'It must be the content of pub_key.pem. The merchant\'s own certificate goes into certificate.', '应为 pub_key.pem 的内容；商户自己的证书应填入 certificate。'),
      damaged: fails('merchant.v3.publicKey starts like a public key, but cannot be read', 'merchant.v3.publicKey 形似公钥，但无法读取', 'Read it from pub_key.pem again.', '请重新读取 pub_key.pem。'),
      own: fails('merchant.v3.publicKey is the merchant\'s own, not WeChat Pay\'s', 'merchant.v3.publicKey 是商户自己的公钥，而不是微信支付的', 'Download WeChat Pay\'s public key (pub_key.pem) in pay.weixin.qq.com, Account centre, API security.', '请在商户平台「账户中心 - API 安全」下载微信支付公钥（pub_key.pem）。')
    },
    run (context) {
      const v3 = v3Of(context)
      if (!v3) return 'unused'
      // A list during a change: report the first one.
      const { publicKeyId, publicKey } = v3
      if (publicKeyId === undefined && publicKey === undefined) return 'none'
      if (!publicKeyId) return 'noId'
      if (!publicKey) return 'noKey'
      if (!/^PUB_KEY_ID_[0-9A-Za-z]{1,64}$/.test(publicKeyId)) return 'oddId'
      const kind = kindOf(pemOf(publicKey))
      if (kind.id !== 'public key') return { outcome: 'other', values: { kind } }
      const key = publicKeyIn(pemOf(publicKey))
      if (!key) return 'damaged'
      const own = isSigner(v3.privateKey) ? undefined : publicKeyIn(pemOf(v3.privateKey))
      return own?.equals(key) ? 'own' : 'fits'
    }
  }),

  check('keys.client-certificate', {
    needs: ['keys.mch-id'],
    messages: {
      unused: skips('not set: v2 refunds and reversals require one', '未配置：v2 的退款与撤销需要它'),
      fits: passes('the client certificate can be opened, and belongs to its key and to the merchant', '客户端证书可用，与私钥、商户号一致'),
      old: fails('merchant.v2.pfx is in the old format (RC2 or 3DES), which this Node.js cannot open', 'merchant.v2.pfx 是旧格式（RC2/3DES），当前 Node.js 无法打开',
        'Convert it once: openssl pkcs12 -legacy -in apiclient_cert.p12 -nodes -out all.pem && openssl pkcs12 -export -in all.pem -out new.p12 (same pass phrase), or set apiclient_cert.pem and apiclient_key.pem as cert and key.',
        '转换一次即可：openssl pkcs12 -legacy -in apiclient_cert.p12 -nodes -out all.pem && openssl pkcs12 -export -in all.pem -out new.p12（口令不变）；或改用 apiclient_cert.pem 与 apiclient_key.pem（cert 与 key）。'),
      passphrase: fails('merchant.v2.pfx cannot be opened with this pass phrase (default: the mchId)', 'merchant.v2.pfx 无法用该口令打开（默认口令为商户号）', 'WeChat Pay issues it with the mchId as pass phrase: check that it is this merchant\'s file.', '微信支付签发时口令为商户号，请确认该文件属于此商户号。'),
      notPfx: fails('merchant.v2.pfx is not a PKCS#12 file', 'merchant.v2.pfx 不是 PKCS#12 文件', 'Pass the bytes of apiclient_cert.p12 (a Buffer, not a string).', '请传入 apiclient_cert.p12 的字节（Buffer，而非文本）。'),
      twice: fails('merchant.v2.pfx is set together with cert and key', '同时提供了 merchant.v2.pfx 与 cert/key', 'Leave one of them out.', '二者等价，请只保留一种。'),
      half: fails('merchant.v2.{missing} is missing', '缺少 merchant.v2.{missing}', 'cert and key (apiclient_cert.pem, apiclient_key.pem) belong together.', 'cert 与 key（apiclient_cert.pem、apiclient_key.pem）须成对提供。'),
      other: fails('merchant.v2.{option} is {kind}', 'merchant.v2.{option} 是{kind}', 'cert is the content of apiclient_cert.pem, key the content of apiclient_key.pem.', 'cert 为 apiclient_cert.pem 的内容，key 为 apiclient_key.pem 的内容。'),
      damaged: fails('merchant.v2.{option} cannot be read', 'merchant.v2.{option} 无法读取', 'Read it from its file again; an encrypted key needs passphrase.', '请重新读取文件；加密的私钥需要 passphrase。'),
      foreign: fails('merchant.v2.key does not belong to merchant.v2.cert', 'merchant.v2.key 与 merchant.v2.cert 不配套', 'The files are from different downloads: take both from the same one.', '两个文件不是同一次下载的，请使用同一套。'),
      merchant: fails('the client certificate belongs to merchant {whose}, which is not merchant.mchId', '客户端证书属于商户号 {whose}，与 merchant.mchId 不一致', 'Use this merchant\'s own certificate.', '请使用该商户号自己的证书。')
    },
    run: context => clientCertificate(context).finding
  }),

  check('keys.client-certificate-end', {
    needs: ['keys.client-certificate'],
    messages: { unused: skips('no client certificate is set', '未配置客户端证书'), same: skips('the same certificate as merchant.v3.certificate', '与 merchant.v3.certificate 是同一张证书'), fits: passes('the client certificate is valid until {end}', '客户端证书有效期至 {end}'), ...END },
    run (context) {
      const { certificate, v3Same } = clientCertificate(context)
      // One expiring certificate is one failure.
      return v3Same ? 'same' : certificate ? lifeOf(certificate, 'merchant.v2.pfx/cert') : 'unused'
    }
  }),

  check('keys.encryption-key', {
    messages: {
      unused: UNUSED,
      fits: passes('encryptionKey has 32 bytes', 'encryptionKey 为 32 字节'),
      odd: fails('encryptionKey does not have 32 bytes', 'encryptionKey 不是 32 字节', 'Create one with openssl rand -hex 32. Use the same in all processes.', '可用 openssl rand -hex 32 生成，所有进程须一致。')
    },
    run ({ options: { encryptionKey } }) {
      if (encryptionKey === undefined) return 'unused'
      try {
        createEncryptedStore(createMemoryStore(), encryptionKey)
        return 'fits'
      } catch {
        return 'odd'
      }
    }
  }),

  check('keys.files', {
    messages: {
      unused: skips('the key files are unknown', '不知道密钥存放在哪些文件'),
      windows: skips('Windows handles permissions differently', 'Windows 的权限机制不同'),
      closed: passes('{count} key files are not readable by others', '{count} 个密钥文件对其他用户不可读'),
      open: warns('{name} is readable by everyone on this machine', '{name} 可被本机任何用户读取', 'Run chmod 600 {name}, with the service\'s user as owner.', '请 chmod 600 {name}，属主为服务用户。'),
      gone: fails('{name} cannot be read ({code})', '无法读取 {name}（{code}）', 'Check the path, and that this user may read it.', '请检查路径以及当前用户的权限。')
    },
    async run ({ settings: { files = {} } }) {
      const names = Object.keys(files)
      if (names.length === 0) return 'unused'
      if (process.platform === 'win32') return 'windows'
      for (const name of names) {
        try {
          const { mode } = await stat(files[name] as string)
          if ((mode & 0o004) !== 0 && !/cert|pub_key/.test(name)) return { outcome: 'open', values: { name } }
        } catch (error) {
          return { outcome: 'gone', values: { name, code: String((error as NodeJS.ErrnoException).code) } }
        }
      }
      return { outcome: 'closed', values: { count: names.length } }
    }
  })
]
