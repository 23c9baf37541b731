/** `wechat-doctor --help`, in both languages. */
export const USAGE = {
  en: `wechat-doctor: checks whether a configuration works

  wechat-doctor                    reads the environment: WECHAT_APP_ID, WECHAT_APP_SECRET, WECHAT_MCH_ID, WECHAT_API_V3_KEY,
                                   WECHAT_PUBLIC_KEY_ID, WECHAT_SERIAL_NO, WECHAT_API_KEY (v2), ORIGIN, REDIS_URL,
                                   WECHAT_KEYS (the folder of apiclient_key.pem, apiclient_cert.pem, pub_key.pem)

  --config FILE.mjs                reads the options of app.register(wechatPay, …): the default export or one named options,
                                   an object or a function; an export named doctor holds { shutdownTime, processes, files }
  --offline                        does not use the network
  --json                           prints JSON, for scripts
  --lang en|zh                     default: the locale's
  --help

Exit code: 0 everything works, 1 something is broken, 2 could not check.
It changes nothing at WeChat and prints no secrets.`,
  zh: `wechat-doctor：检查这份配置能否正常工作

  wechat-doctor                    读取环境变量：WECHAT_APP_ID、WECHAT_APP_SECRET、WECHAT_MCH_ID、WECHAT_API_V3_KEY、
                                   WECHAT_PUBLIC_KEY_ID、WECHAT_SERIAL_NO、WECHAT_API_KEY（v2）、ORIGIN、REDIS_URL、
                                   WECHAT_KEYS（存放 apiclient_key.pem、apiclient_cert.pem、pub_key.pem 的目录）

  --config FILE.mjs                读取 app.register(wechatPay, …) 的选项：默认导出，或名为 options 的导出，
                                   可以是对象或函数；名为 doctor 的导出可含 { shutdownTime, processes, files }
  --offline                        不联网，只做本地检查
  --json                           输出 JSON，供程序使用
  --lang en|zh                     语言，默认取系统区域设置
  --help

退出码：0 全部正常，1 有问题，2 无法检查。
不会改动微信侧的任何数据，也不会输出任何密钥。`
} as const
