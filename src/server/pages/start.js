// The start page: the instrument, which makes rates of two successive tellings, and a box in which one publishes and sees it arrive.
//
// Next: chat.js.

import { listen, watch } from './live.js'
import { $, Log, Spark, post, tell } from './page.js'

const NAMES = ['connections', 'published', 'delivered', 'sent', 'turn']
const sparks = Object.fromEntries(NAMES.map((name) => [name, new Spark($(name).parentElement.querySelector('svg'))]))

let before = null

listen('topic', 'stats', (message) => {
  if (message.gap) {
    before = null
    return
  }
  const now = JSON.parse(message.data)
  // A server that was started anew counts from zero again.
  if (before && now.at > before.at && now.turns >= before.turns) showRates(before, now)
  show('connections', now.connections, String(now.connections), '')
  $('uptime').textContent = timeOf(now.uptime)
  before = now
})

function showRates(before, now) {
  const seconds = (now.at - before.at) / 1e6
  const rate = (name) => (now[name] - before[name]) / seconds
  show('published', rate('published'), figure(rate('published')), '/s')
  show('delivered', rate('delivered'), figure(rate('delivered')), '/s')
  const [bytes, unit] = size(rate('sent'))
  show('sent', rate('sent'), bytes, unit + '/s')
  const turns = now.turns - before.turns
  const micros = turns ? (now.turn_micros - before.turn_micros) / turns : 0
  show('turn', micros, ...time(micros))
  $('longest').textContent = 'longest ' + (now.longest_micros ? '≤ ' + time(now.longest_micros).join(' ') : '–')
}

function show(name, value, text, unit) {
  const small = document.createElement('small')
  small.textContent = unit && ' ' + unit
  $(name).replaceChildren(text, small)
  sparks[name].add(value)
}

const figure = (value) => value < 100 ? String(Math.round(value * 10) / 10) : Math.round(value).toLocaleString('en')
const size = (bytes) => bytes < 1e4 ? [String(Math.round(bytes)), 'B'] : bytes < 1e7 ? [(bytes / 1e3).toFixed(1), 'kB'] : [(bytes / 1e6).toFixed(1), 'MB']
const time = (micros) => micros < 1000 ? [String(Math.round(micros)), 'µs'] : [(micros / 1000).toFixed(1), 'ms']

function timeOf(seconds) {
  const two = (value) => String(Math.floor(value)).padStart(2, '0')
  const clock = two(seconds / 3600 % 24) + ':' + two(seconds / 60 % 60) + ':' + two(seconds % 60)
  return seconds < 86_400 ? clock : Math.floor(seconds / 86_400) + ' d ' + clock
}

// ---- the live box

const log = new Log($('log'))
listen('channel', 'news', (message) => log.add(message))

let isFilled = false
watch((state) => {
  if (isFilled || !state.hears.includes('channel=news')) return
  isFilled = true
  log.fill('news')
})

$('publish').onsubmit = async (event) => {
  event.preventDefault()
  const form = event.target
  const answer = await post('/channels/news', form.elements.text.value)
  tell(form, answer)
  if (answer.ok) form.elements.text.value = ''
}
