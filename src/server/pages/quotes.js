// The quotes: a row for each symbol, made when its first price comes.
//
// Next: orders.js.

import { listen } from './live.js'
import { $, Spark, make } from './page.js'

const rows = new Map()
const begun = Date.now()
let messages = 0
let bytes = 0

listen('topic', 'quotes', (message) => {
  if (message.gap) {
    // A market that was started anew begins with other prices; what is shown is of the one before.
    rows.forEach((row) => { row.first = null })
    return
  }
  const prices = JSON.parse(message.data)
  for (const [symbol, price] of Object.entries(prices)) show(symbol, Number(price), message.old || message.event === 'snapshot')
  if (message.old) return
  messages += 1
  bytes += message.data.length
  const seconds = Math.max(1, (Date.now() - begun) / 1000)
  $('counted').textContent = `${messages} messages with ${bytes} bytes of data since this window opened. Fetching all prices four times a second would have been ${Math.round(seconds * 4)} requests.`
})

function show(symbol, price, isSnapshot) {
  const row = rows.get(symbol) || add(symbol)
  const before = row.last
  row.first ??= price
  row.last = price
  const change = 100 * (price - row.first) / row.first
  row.price.textContent = price.toFixed(2)
  row.change.textContent = (change >= 0 ? '+' : '−') + Math.abs(change).toFixed(2) + ' %'
  row.spark.add(price, null)
  if (isSnapshot || before === undefined) return
  row.count.textContent = String(++row.messages)
  row.price.className = 'number'
  // The class has to go before it comes, or the animation does not begin anew.
  requestAnimationFrame(() => { row.price.className = 'number ' + (price > before ? 'up' : 'down') })
}

function add(symbol) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('class', 'spark')
  const name = make('th', '', symbol)
  name.scope = 'row'
  const row = { price: make('td', 'number'), change: make('td', 'number'), count: make('td', 'number', '0'), messages: 0, spark: new Spark(svg, 60) }
  const line = make('tr', '', name, row.price, row.change, make('td', 'wide', svg), row.count)
  rows.set(symbol, row)
  const after = [...rows.keys()].sort()
  $('rows').insertBefore(line, $('rows').children[after.indexOf(symbol)] || null)
  return row
}
