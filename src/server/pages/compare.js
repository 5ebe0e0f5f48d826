// The comparison: five ways to hear a channel, each with its requests, bytes and delay counted.
//
//   publisher ── POST {"t": time} ──► channel ──► interval poll, long-poll, XHR stream, forever frame, EventSource
//
// One window of a browser runs it, for five streams leave no room for five more; the others show the same figures, and the next one
// takes over when it closes. Each method goes on with its cursor when it was cut off, so none is told less than the others.
//
// Next: live.js, the way that all other pages take.

import { listen, parse } from './live.js'
import { $, exclusively, make, post, tell } from './page.js'

const PATH = '/channels/demo/compare'
const INTERVAL = 1000       // of the poll that asks by the clock
const RETRY = 1000          // after a failure
const BY_ITSELF = 120_000   // for so long messages come by themselves
const XHR_MAX = 512 * 1024  // a text that only grows is begun anew
const DELAYS = 200          // of which the median is taken
const LATE = 2000           // what the others have had for so long, a stream that lives has had

const now = () => performance.timeOrigin + performance.now()
const bytesOf = (text) => new TextEncoder().encode(text).length
const headOf = (xhr) => 'HTTP/1.1 200 OK\r\n\r\n'.length + xhr.getAllResponseHeaders().length

// The state of the connection at the top is that of the stream which all windows share.
listen('channel', 'demo/compare', () => {})

// ---- one method

class Method {
  constructor(name, how) {
    Object.assign(this, { name, how, cursor: '' })
    this.reset()
  }

  reset() {
    Object.assign(this, { requests: 0, bytes: 0, messages: 0, last: null, delays: [] })
  }

  /// A message has come: `data` is what the publisher sent, anything from a stranger's hand included.
  hear(id, data) {
    this.cursor = id
    this.messages += 1
    if (isBehind(freshest, id)) freshest = id
    let sent
    try { sent = JSON.parse(data).t } catch { return }
    const delay = now() - sent
    // What was published before this page looked is no measure of anything.
    if (!(delay >= 0 && delay < 60_000) || sent < measuredFrom) return
    this.last = delay
    this.delays.push(delay)
    if (this.delays.length > DELAYS) this.delays.shift()
  }

  url(mode, more = '') {
    return `${PATH}?mode=${mode}${more}${this.cursor ? '&since=' + this.cursor : ''}`
  }

  figures() {
    const sorted = [...this.delays].sort((a, b) => a - b)
    const { name, how, requests, bytes, messages, last } = this
    return { name, how, requests, bytes, messages, last, median: sorted[Math.floor(sorted.length / 2)] ?? null }
  }
}

let measuredFrom = 0
let freshest = '' // the id of the newest message that any method has heard

function isBehind(id, other) {
  const [epoch, seq] = parse(id)
  const [there, last] = parse(other)
  return epoch < there || (epoch === there && seq < last)
}

const interval = new Method('Interval polling', 'asks each second, whether or not there is anything')
const longPoll = new Method('Long-polling', 'asks, and the answer is held back until there is something')
const xhrStream = new Method('XHR stream', 'one answer that goes on, read while readyState is 3')
const frame = new Method('Forever frame', 'a hidden document that never ends, a script for each message')
const events = new Method('EventSource', 'the browser’s own: one answer, and it comes back by itself')
const METHODS = [interval, longPoll, xhrStream, frame, events]

// ---- how each of them listens

function ask(method, url, { done, failed, progress }) {
  method.requests += 1
  const xhr = new XMLHttpRequest()
  xhr.open('GET', url)
  if (progress) xhr.onprogress = () => progress(xhr)
  xhr.onload = () => xhr.status === 200 ? done(xhr) : failed()
  xhr.onerror = failed
  xhr.send()
  return xhr
}

function takeList(method, xhr) {
  method.bytes += headOf(xhr) + bytesOf(xhr.responseText)
  const { cursor, messages } = JSON.parse(xhr.responseText)
  messages.forEach(({ id, data }) => method.hear(id, data))
  method.cursor = cursor
}

function pollByTheClock() {
  const begun = performance.now()
  const again = () => setTimeout(pollByTheClock, Math.max(0, INTERVAL - (performance.now() - begun)))
  ask(interval, interval.url('poll', '&timeout=0'), { done: (xhr) => { takeList(interval, xhr); again() }, failed: again })
}

function pollLong() {
  ask(longPoll, longPoll.url('poll'), {
    done: (xhr) => { takeList(longPoll, xhr); pollLong() },
    failed: () => setTimeout(pollLong, RETRY),
  })
}

function streamXhr() {
  let seen = 0
  let text = 0
  const take = (xhr) => {
    if (xhr.status !== 200) return
    if (!text++) xhrStream.bytes += headOf(xhr)
    const end = xhr.responseText.lastIndexOf('\n') + 1
    const fresh = xhr.responseText.slice(seen, end)
    seen = Math.max(seen, end)
    xhrStream.bytes += bytesOf(fresh)
    for (const line of fresh.split('\n')) {
      if (!line) continue
      const message = JSON.parse(line)
      if (message.gap) xhrStream.cursor = message.id
      else if (!message.end) xhrStream.hear(message.id, message.data)
    }
    if (seen > XHR_MAX) { xhr.abort(); streamXhr() }
  }
  const again = () => setTimeout(streamXhr, RETRY)
  ask(xhrStream, xhrStream.url('ndjson'), { progress: take, done: (xhr) => { take(xhr); again() }, failed: again })
}

function streamFrame() {
  frame.requests += 1
  frame.bytes += streamHead
  const element = make('iframe')
  element.title = 'The forever frame'
  element.src = frame.url('iframe', '&callback=enckeFrame')
  let counted = false
  window.enckeFrame = (data, id, event) => {
    const inner = element.contentDocument
    // A document that never ends would hold every script that it ever had.
    for (const script of [...inner.scripts]) {
      frame.bytes += bytesOf(`<script>${script.textContent}</script>\n`)
      if (script !== inner.currentScript) script.remove()
      else script.textContent = ''
    }
    if (!counted) frame.bytes += '<!doctype html><meta charset="utf-8"><title>Encke</title>\n'.length
    counted = true
    if (data === null) frame.cursor = id
    else frame.hear(id, data)
  }
  $('frames').append(element)
  // It loads for as long as it lasts, so a document that is complete, or none of ours, has ended. One that was cut off goes on "loading" for
  // ever in some browsers: that it is dead shows only in what others have heard and it has not.
  let stuck = { at: '', since: 0 } // where it stands behind the others, and since when
  const watch = setInterval(() => {
    const inner = element.contentDocument
    const isThere = inner && (inner.URL === 'about:blank' || inner.readyState === 'loading')
    if (!isBehind(frame.cursor, freshest) || stuck.at !== frame.cursor) stuck = { at: frame.cursor, since: performance.now() }
    const isLate = performance.now() - stuck.since > LATE
    if (isThere && !isLate) return
    clearInterval(watch)
    element.remove()
    streamFrame()
  }, RETRY)
}

function streamEvents() {
  let first = true
  const open = () => {
    events.requests += 1
    events.bytes += streamHead + 'retry: 2000\n\n'.length
  }
  const source = new EventSource(events.url('sse'))
  open()
  source.onopen = () => { if (!first) open(); first = false }
  source.onmessage = ({ data, lastEventId }) => {
    events.bytes += bytesOf(`id: ${lastEventId}\ndata: ${data}\n\n`)
    events.hear(lastEventId, data)
  }
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) setTimeout(streamEvents, RETRY) }
}

let streamHead = 0

/// All five from one place on. What the head of a stream looks like is asked with HEAD, which is counted for nobody.
function begin() {
  const look = new XMLHttpRequest()
  look.open('HEAD', PATH + '?mode=sse')
  look.onload = () => {
    streamHead = headOf(look)
    const cursor = look.getResponseHeader('Last-Event-ID')
    METHODS.forEach((method) => { method.cursor = cursor })
    measuredFrom = now()
    pollByTheClock()
    pollLong()
    streamXhr()
    streamFrame()
    streamEvents()
  }
  look.onerror = () => setTimeout(begin, RETRY)
  look.send()
}

// ---- the publisher

const form = $('publish')
let byItself = Date.now()
let timer = 0

async function publish() {
  const answer = await post(PATH, JSON.stringify({ t: now() }))
  tell(form, answer.ok ? { ok: true, text: '' } : answer)
  return answer.ok
}

function setRate() {
  clearTimeout(timer)
  const rate = Number(form.elements.rate.value)
  if (!rate || !runs) return
  // A publisher in step with the clock would be in step with the poll that asks by the clock, and flatter or wrong it.
  timer = setTimeout(async () => {
    if (Date.now() - byItself > BY_ITSELF) {
      form.elements.rate.value = '0'
    } else if (document.hidden || await publish()) {
      setRate()
    } else {
      // Of a server that is away or wants a key it is not asked again and again.
      timer = setTimeout(setRate, 3 * RETRY)
    }
  }, (0.5 + Math.random()) * 1000 / rate)
}

form.onsubmit = (event) => {
  event.preventDefault()
  publish()
}
form.elements.rate.onchange = () => {
  byItself = Date.now()
  setRate()
}

// ---- what is shown, here and in other windows

const others = typeof BroadcastChannel === 'function' ? new BroadcastChannel('encke-compare') : { postMessage() {} }
const rows = new Map()
let runs = false

others.onmessage = ({ data }) => {
  if (data.anew) METHODS.forEach((method) => method.reset())
  if (data.rows && !runs) show(data.rows)
}

$('again').onclick = () => {
  METHODS.forEach((method) => method.reset())
  byItself = Date.now()
  others.postMessage({ anew: true })
  setRate()
}

function show(figures) {
  for (const each of figures) {
    const row = rows.get(each.name) || add(each)
    row.requests.textContent = each.requests.toLocaleString('en')
    row.bytes.textContent = each.bytes.toLocaleString('en')
    row.messages.textContent = each.messages.toLocaleString('en')
    row.each.textContent = each.messages ? Math.round(each.bytes / each.messages).toLocaleString('en') : '–'
    row.last.textContent = time(each.last)
    row.median.textContent = time(each.median)
    // From a tenth of a millisecond to a second and more, each ten times as much the same way further.
    const length = each.median === null ? 0 : 100 * (Math.log10(Math.max(0.1, each.median)) + 1) / 4
    row.bar.style.setProperty('width', Math.min(100, Math.max(2, length)) + '%')
    row.bar.hidden = each.median === null
  }
}

const time = (delay) => delay === null ? '–' : delay < 10 ? delay.toFixed(1) + ' ms' : Math.round(delay) + ' ms'

function add({ name, how }) {
  const row = { bar: make('span', 'bar') }
  const fact = (key, label) => make('div', '', make('dt', '', label), row[key] = make('dd', '', '–'))
  const facts = make('dl', 'facts', fact('requests', 'Requests'), fact('messages', 'Messages'), fact('bytes', 'Bytes'),
    fact('each', 'Bytes a message'), fact('last', 'Last delay'), fact('median', 'Median delay'))
  const scale = make('span', 'scale', row.bar)
  scale.setAttribute('aria-hidden', 'true')
  $('methods').append(make('li', 'panel', make('h2', '', name), make('p', 'note', how), facts, scale))
  rows.set(name, row)
  return row
}

show(METHODS.map((method) => method.figures()))
$('running').textContent = 'Another window of this browser compares; these are its figures.'

exclusively(() => {
  runs = true
  $('running').textContent = 'Messages come by themselves for two minutes, while this window is in front.'
  // Not before the page is there, or the frame that never ends would keep it from ever being.
  if (document.readyState === 'complete') begin()
  else addEventListener('load', begin)
  setRate()
  setInterval(() => {
    const figures = METHODS.map((method) => method.figures())
    show(figures)
    others.postMessage({ rows: figures })
  }, 250)
})
