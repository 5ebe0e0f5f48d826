// What all pages have in common: the state of the connection in words, lines for the shell, publishing with a key, and a log of messages.
//
// Everything that came over the wire is put into the page as text, never as HTML.
//
// Next: start.js, which uses all of it.

import { parse, watch } from './live.js'

export const $ = (id) => document.getElementById(id)

/// An element with a class and with texts or elements in it.
export function make(tag, name, ...parts) {
  const element = document.createElement(tag)
  if (name) element.className = name
  element.append(...parts)
  return element
}

// ---- the state of the connection

const DETAILS = {
  waiting: 'no connection; it is being tried again',
  live: '',
  'catching up': 'what was published meanwhile is coming',
  'messages missed': 'what was published meanwhile is gone, as after a restart; it goes on from here',
}
const MISSED_SHOWN = 6000

let lastState = null

function showState() {
  const state = lastState
  const isMissed = state.word === 'live' && Date.now() - state.missedAt < MISSED_SHOWN
  const word = isMissed ? 'messages missed' : state.word
  if ($('state').textContent !== word) {
    $('state').textContent = word
    $('state').dataset.state = word
  }
  const whose = state.leads ? 'this window holds it' : 'another window holds it'
  const shared = state.windows === 1 ? 'one connection, held by this window' : `one connection for ${state.windows} windows of this browser; ${whose}`
  const missed = state.missed ? `messages missed ${state.missed === 1 ? 'once' : state.missed + ' times'}` : ''
  const parts = [DETAILS[word], word === 'waiting' || isMissed ? '' : shared, isMissed ? '' : missed]
  $('detail').textContent = parts.filter(Boolean).join(' · ')
  if (isMissed) setTimeout(showState, MISSED_SHOWN - (Date.now() - state.missedAt) + 20)
}

watch((state) => {
  lastState = state
  showState()
})

// ---- lines for the shell: each gets a button that copies it

for (const pre of document.querySelectorAll('pre.shell')) {
  const line = make('div', 'line')
  const copy = make('button', '', 'Copy')
  copy.type = 'button'
  pre.replaceWith(line)
  line.append(pre, copy)
  copy.setAttribute('aria-label', 'Copy: ' + pre.textContent)
  copy.onclick = async () => {
    copy.textContent = (await copied(pre.textContent)) ? 'Copied' : 'Select it'
    setTimeout(() => { copy.textContent = 'Copy' }, 1500)
  }
  // The server has written the host; that it is asked over TLS, by way of a proxy, only the browser knows.
  if (location.protocol === 'https:') pre.firstChild.textContent = pre.textContent.replaceAll('http://', 'https://')
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    // Without a secure context there is no clipboard; the old way still works where it is allowed.
    const area = make('textarea', 'unseen')
    area.value = text
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}

// ---- publishing

const isLocked = document.documentElement.dataset.locked === 'yes'
const KEY = 'encke-key'

for (const form of document.querySelectorAll('form[data-publishes]')) {
  form.append(Object.assign(make('p', 'answer'), { ariaLive: 'polite' }))
  if (!isLocked) continue
  // Publishing takes a key here: ask for it, and keep it for as long as this window is open.
  const input = make('input')
  Object.assign(input, { type: 'password', autocomplete: 'off', name: 'key', value: sessionStorage.getItem(KEY) || '' })
  input.oninput = () => sessionStorage.setItem(KEY, input.value)
  form.prepend(make('label', 'grow', 'Key for publishing', input))
}

/// Sends a POST. Answers { ok, text }, the text being what the server said or why it was not reached.
export async function post(path, body, headers = {}) {
  const key = sessionStorage.getItem(KEY)
  if (isLocked && key) headers = { ...headers, Authorization: 'Bearer ' + key }
  try {
    const answer = await fetch(path, { method: 'POST', body, headers })
    const text = await answer.text()
    if (answer.ok) return { ok: true, text }
    if (answer.status === 401) return { ok: false, text: key ? 'this server does not know that key' : 'publishing takes a key here; put yours in' }
    return { ok: false, text: `${answer.status}: ${reason(text)}` }
  } catch {
    return { ok: false, text: 'the server was not reached; try again' }
  }
}

/// What a refusal says. One that is not the server's own, such as a proxy's page, says only its status.
function reason(text) {
  try { return JSON.parse(text).error } catch { return 'no reason was given' }
}

/// Shows an answer below its form.
export function tell(form, { ok, text }) {
  const place = form.querySelector('.answer')
  place.textContent = text
  place.classList.toggle('bad', !ok)
}

// ---- connections besides the one that is shared

/// Runs `act` when no other window of this browser has connections of its own, and then for as long as this one is open. There are six
/// in all: one is shared, one has to be left for what is asked in between.
export function exclusively(act) {
  if (navigator.locks) navigator.locks.request(MORE, () => new Promise(act))
  else act()
}

/// Runs `act` if no other window has connections of its own at the moment; says whether it did, when it is over.
export function ifFree(act) {
  const run = async (lock) => lock && (await act(), true)
  return navigator.locks ? navigator.locks.request(MORE, { ifAvailable: true }, run) : run(true)
}

const MORE = 'encke-more'

// ---- a log

/// A list of messages in the order of their ids, whatever the order in which they come.
export class Log {
  constructor(list, { most = 200, text = (message) => message.data } = {}) {
    Object.assign(this, { list, most, text, ids: new Map() })
  }

  add(message, isNew = true) {
    if (message.gap) return this.append(make('li', 'missed', make('span', '', '–'), make('span', '', 'messages missed here')))
    if (this.ids.has(message.id)) return
    const [, seq] = parse(message.id)
    const item = make('li', message.event === 'room' ? 'told' : '', make('span', '', '#' + seq), make('span', '', this.text(message)))
    if (isNew && !message.old) item.classList.add('new')
    item.dataset.id = message.id
    this.ids.set(message.id, item)
    this.append(item, this.after(message.id))
  }

  /// What has to stand behind a message that comes late.
  after(id) {
    const [epoch, seq] = parse(id)
    let before = null
    for (let item = this.list.lastElementChild; item && item.dataset.id; item = item.previousElementSibling) {
      const [there, other] = parse(item.dataset.id)
      if (there !== epoch || other < seq) break
      before = item
    }
    return before
  }

  append(item, before = null) {
    const isAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40
    this.list.querySelector('.empty')?.remove()
    this.list.insertBefore(item, before)
    if (this.list.childElementCount > this.most) {
      this.ids.delete(this.list.firstElementChild.dataset.id)
      this.list.firstElementChild.remove()
    }
    if (isAtEnd) this.list.scrollTop = this.list.scrollHeight
  }

  /// Adds what a channel and its companions still hold.
  async fill(channel, ...more) {
    const others = more.map((name) => '&channel=' + encodeURIComponent(name)).join('')
    let since = '0-0'
    for (let round = 0; round < 16; round++) {
      try {
        const answer = await fetch(`/channels/${channel}?mode=poll&timeout=0&since=${since}${others}`)
        const { cursor, messages } = await answer.json()
        if (!messages.length) return
        messages.forEach((message) => this.add(message, false))
        since = cursor
      } catch {
        return
      }
    }
  }
}

// ---- figures

/// A line of the last values, drawn into an SVG.
export class Spark {
  constructor(svg, length = 60) {
    Object.assign(this, { svg, length, values: [] })
    svg.setAttribute('viewBox', '0 0 100 30')
    svg.setAttribute('preserveAspectRatio', 'none')
    svg.setAttribute('aria-hidden', 'true')
    const part = (tag) => svg.appendChild(document.createElementNS('http://www.w3.org/2000/svg', tag))
    this.area = part('polygon')
    this.line = part('polyline')
  }

  add(value, floor = 0) {
    this.values.push(value)
    if (this.values.length > this.length) this.values.shift()
    const top = Math.max(...this.values)
    const bottom = Math.min(floor ?? Infinity, ...this.values)
    const range = top - bottom || 1
    const step = 100 / (this.length - 1)
    const from = 100 - step * (this.values.length - 1)
    const y = (value) => (28 - 26 * (value - bottom) / range).toFixed(1)
    const points = this.values.map((value, index) => `${(from + step * index).toFixed(1)},${y(value)}`)
    this.line.setAttribute('points', points.join(' '))
    this.area.setAttribute('points', `${from.toFixed(1)},30 ${points.join(' ')} 100,30`)
  }
}
