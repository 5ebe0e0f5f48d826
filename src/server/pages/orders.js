// The orders: a board on which each order stands where the last message has put it, and what polling would have cost.
//
// Next: compare.js.

import { listen, watch } from './live.js'
import { $, Log, make } from './page.js'

const SHOWN = 6 // of the orders that are closed
const orders = new Map()
const log = new Log($('log'), {
  most: 100,
  text: (message) => {
    const { order, kind } = JSON.parse(message.data)
    return `order ${order} ${kind}`
  },
})
const begun = Date.now()
let changes = 0

listen('topic', 'orders', (message) => {
  log.add(message)
  if (message.gap) {
    // What became of these is not known: the shop was started anew, or this window was away for too long.
    orders.forEach((item) => item.remove())
    orders.clear()
    return
  }
  const { order, kind } = JSON.parse(message.data)
  const item = orders.get(order) || make('li', '', '#' + order)
  orders.set(order, item)
  $(kind).prepend(item)
  if (kind === 'closed') {
    orders.delete(order)
    while ($('closed').childElementCount > SHOWN) $('closed').lastElementChild.remove()
  }
  if (!message.old) $('changes').textContent = String(++changes)
})

watch((state) => { $('requests').textContent = String(Math.max(1, state.opened)) })
setInterval(() => { $('polls').textContent = Math.floor((Date.now() - begun) / 1000).toLocaleString('en') }, 1000)
