// The numbers: those that the server publishes for all windows, and a stream of this window's own, read chunk by chunk.
//
// Next: clock.js.

import { listen } from './live.js'
import { $, Log, Spark, ifFree, make } from './page.js'

const spark = new Spark($('spark'), 20)
const log = new Log($('log'), { most: 100 })

listen('topic', 'random', (message) => {
  log.add(message)
  if (message.gap) return
  const number = message.data.slice('random:'.length)
  $('number').textContent = number
  spark.add(Number(number))
})

// ---- a stream of this window's own

let stream = null

$('form').onsubmit = async (event) => {
  event.preventDefault()
  if (stream) return stop()
  const seconds = event.target.elements.interval.value
  if (await ifFree(() => start(seconds))) return
  $('reason').textContent = 'another window has streams of its own, and a browser has six connections in all; close that first'
}
addEventListener('pagehide', () => stop())

async function start(interval) {
  const mine = stream = new AbortController()
  $('toggle').textContent = 'Stop'
  $('lines').replaceChildren()
  $('reason').textContent = ''
  let lines = 0
  let bytes = 0
  const begun = performance.now()
  try {
    const answer = await fetch('/demo/random/stream?interval=' + encodeURIComponent(interval), { signal: mine.signal })
    if (!answer.ok) throw new Error((await answer.json()).error)
    const reader = answer.body.getReader()
    const decoder = new TextDecoder()
    for (let rest = ''; ;) {
      const { done, value } = await reader.read()
      if (done) break
      bytes += value.length
      const parts = (rest + decoder.decode(value, { stream: true })).split('\n')
      rest = parts.pop()
      for (const line of parts) note(++lines, line)
      const seconds = ((performance.now() - begun) / 1000).toFixed(1)
      $('counted').textContent = `one request, ${lines} lines, ${bytes} bytes in ${seconds} s`
    }
    if (mine === stream) $('reason').textContent = 'the server has ended the stream'
  } catch (error) {
    if (mine === stream) $('reason').textContent = error instanceof TypeError ? 'the stream was cut; start it again' : error.message
  }
  if (mine === stream) stop()
}

function stop() {
  const old = stream
  stream = null
  if (old) old.abort()
  $('toggle').textContent = 'Start'
}

function note(count, line) {
  const list = $('lines')
  list.append(make('li', 'new', make('span', '', '#' + count), make('span', '', line)))
  if (list.childElementCount > 100) list.firstElementChild.remove()
  list.scrollTop = list.scrollHeight
}
