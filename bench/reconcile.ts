/** `npm run bench -- reconcile`: reconciles a hundred thousand orders at the configured rate with answers after 50 ms, and measures memory. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { systemClock } from '../src/clock.ts'
import { createPay } from '../src/pay/pay.ts'
import { reconcileOrders } from '../src/pay/reconcile.ts'
import { ACCOUNT } from '../test/helpers/account.ts'
import { startWorker } from './worker.ts'

const [orders = 100_000, rate = 500, delay = 50] = process.argv.slice(2).map(Number)

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const wechat = await startWorker('reconcile-worker.ts', { delay })
const pay = createPay({ ...ACCOUNT, endpoints: { pay: `http://127.0.0.1:${wechat.port}` } })

function * unfinished () {
  for (let number = 0; number < orders; number++) yield { outTradeNo: `BR${String(number).padStart(10, '0')}` }
}

const heap: string[] = []
const cpu = process.cpuUsage()
const started = performance.now()
const report = await reconcileOrders(unfinished(), {
  query: pay.query,
  close: pay.close,
  deliver: async () => {},
  clock: systemClock,
  rate,
  signal: new AbortController().signal,
  progress: ({ orders: done }) => {
    if (done % (orders / 10) !== 0) return
    collect()
    heap.push((process.memoryUsage().heapUsed / 1e6).toFixed(1))
  }
})
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage(cpu)
console.log(`${report.orders} orders (${report.open} open, ${report.failed} failed) at ${rate} per second, answers after ${delay} ms: ${seconds.toFixed(1)} s, ${(report.orders / seconds).toFixed(1)} per second, ${((user + system) / 1000 / orders).toFixed(2)} ms of CPU each`)
console.log(`heap after each tenth, MB: ${heap.join(' ')}; most memory of the process: ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`)
wechat.child.kill()
process.exit()
