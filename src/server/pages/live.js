// One stream for all windows of a browser.
//
// A browser opens at most six HTTP/1.1 connections to a server, so seven windows with a stream each would be one too many, and nothing
// else would get through. One window, the leader, listens for all and hands on what it hears:
//
//   server ── EventSource ──► leader ── BroadcastChannel ──► every window ──► its page
//
// The leader is whoever has the Web Lock; when its window closes, the browser gives the lock to the next, which asks with the cursor of
// what it has seen. Where there are no locks (a page over plain HTTP from another machine), a heartbeat on the channel takes their place.
//
// What always holds: a message has one id, and a window shows each id once, whoever has handed it on. So two leaders for a moment do no
// harm, and a leader that leaves loses nothing.
//
// Next: page.js, which shows the state of this; the server's side is src/server/demo/stream.rs.

const ME = Math.random().toString(36).slice(2)
const BEAT = 1000        // between a leader's signs of life, where there are no locks
const SILENCE = 3500     // without one another takes over
const FORGOTTEN = 90_000 // a window that has said nothing for so long is gone; hidden ones speak once a minute
const HELD = 300         // messages kept for windows that come later
const MUTE = 15_000      // a stream that should tick and does not for so long is dead

const wants = new Set()   // what this window's page listens to: 'topic=clock', 'channel=news'
const listeners = []      // { name, tell }
const watchers = []       // told of every change of state
const windows = new Map() // the others: id → { wants, seen }
const seen = new Set()    // ids of messages that this window has had
const held = []           // the last messages of all that any window listens to
let snapshot = null       // the prices as they were when the stream opened

let channel = null
let leads = false
let source = null         // the leader's EventSource
let asked = new Set()     // what it was asked for
let cursor = ''           // the id of the newest message, by whomever it came
let until = null          // the id with which the stream has caught up
let heard = 0             // when the leader last gave a sign of life, or the stream a message
let patience = 0          // for how long it may be silent, where there are no locks
let retry = 0
let beat = 0              // the leader's timer
let state = { word: 'waiting', missed: 0, missedAt: 0, opened: 0, windows: 1, leads: false, hears: [] }

// ---- for pages

/// Listens to a topic or a channel. `tell` gets { id, channel, event, data }, each once and in order; one with `gap: true` says that
/// messages are missing before the next, `old` that it came before this window did.
export function listen(kind, name, tell) {
  listeners.push({ name: kind === 'topic' ? 'demo//' + name : name, tell })
  wants.add(kind + '=' + name)
  if (channel === null) begin()
  else soon(hello)
}

/// Calls `tell` with the state now and after every change.
export function watch(tell) {
  watchers.push(tell)
  tell(state)
}

/// An id as numbers: [epoch, seq].
export function parse(id) {
  return (id || '0-0').split('-').map(Number)
}

// ---- windows among themselves

function begin() {
  const isThere = typeof BroadcastChannel === 'function'
  channel = isThere ? new BroadcastChannel('encke') : { postMessage() {} }
  channel.onmessage = ({ data }) => take(data)
  addEventListener('pagehide', () => {
    say({ kind: 'bye', leads })
    if (source) source.close()
  })
  // A page that comes back out of the browser's cache begins anew.
  addEventListener('pageshow', (event) => { if (event.persisted) location.reload() })
  document.addEventListener('visibilitychange', () => { if (!document.hidden) hello() })
  setInterval(hello, 30_000)
  hello()
  if (navigator.locks && isThere) navigator.locks.request('encke', () => new Promise(lead))
  else elect()
}

function say(message) {
  channel.postMessage({ from: ME, ...message })
}

function hello() {
  say({ kind: 'hello', wants: [...wants] })
  if (leads) open()
}

function take(message) {
  switch (message.kind) {
    case 'hello': {
      const isNew = !windows.has(message.from)
      windows.set(message.from, { wants: message.wants, seen: Date.now() })
      if (!leads) return
      // It knows nothing yet: what is held for it, and where we stand.
      if (isNew) say({ kind: 'messages', to: message.from, messages: snapshot ? [snapshot, ...held] : held })
      open()
      return setState({})
    }
    case 'who':
      return say({ kind: 'hello', wants: [...wants] })
    case 'bye':
      windows.delete(message.from)
      if (message.leads) awaitLeader(100 + Math.random() * 300)
      return leads && setState({})
    case 'messages':
      if (message.to && message.to !== ME) return
      awaitLeader(SILENCE * (1 + Math.random() / 4))
      // What was held is not news: `old` says so.
      return message.messages.forEach((each) => show(message.to ? { ...each, old: true } : each))
    case 'state':
      // Two leaders, for want of locks: the one whose name is smaller stays.
      if (leads && !navigator.locks && message.from < ME) resign()
      if (leads) return
      awaitLeader(SILENCE * (1 + Math.random() / 4))
      cursor = cursor || message.cursor
      state = { ...message.state, leads: false }
      watchers.forEach((tell) => tell(state))
  }
}

function awaitLeader(time) {
  heard = Date.now()
  patience = time
}

/// Where there are no locks: leads when nobody else seems to. A first visitor is not kept waiting.
function elect() {
  awaitLeader(300 + Math.random() * 200)
  const timer = setInterval(() => {
    if (Date.now() - heard < patience) return
    clearInterval(timer)
    lead()
  }, 50)
}

// ---- the leader

function lead() {
  leads = true
  heard = Date.now()
  setState({})
  // It may have come last and have heard no greeting.
  say({ kind: 'who' })
  open()
  beat = setInterval(() => {
    for (const [id, other] of windows) if (Date.now() - other.seen > FORGOTTEN) windows.delete(id)
    if (!navigator.locks) setState({})
    // Nobody tells a machine that slept that its connection is gone. A topic that should tick does.
    const ticks = [...asked].some((want) => want.startsWith('topic=') && want !== 'topic=random')
    if (source && ticks && state.word === 'live' && Date.now() - heard > MUTE) reopen()
  }, BEAT)
}

function resign() {
  leads = false
  clearInterval(beat)
  if (source) source.close()
  source = null
  elect()
}

/// Opens the stream, or opens it anew if somebody wants what it does not have. What nobody wants any more is left in until then.
function open() {
  if (!source || ![...wanted()].every((want) => asked.has(want))) soon(reopen)
}

function wanted() {
  const all = new Set(wants)
  for (const other of windows.values()) other.wants.forEach((want) => all.add(want))
  return all
}

function reopen() {
  if (!leads) return
  clearTimeout(retry)
  if (source) source.close()
  asked = wanted()
  const query = [...asked].sort().map((want) => {
    const [kind, name] = want.split(/=(.*)/s)
    return kind + '=' + encodeURIComponent(name)
  })
  if (cursor) query.push('since=' + cursor)
  const mine = source = new EventSource('/demo/stream?' + query.join('&'))
  const on = (type, act) => mine.addEventListener(type, (event) => {
    if (mine !== source) return
    heard = Date.now()
    act(event)
  })
  on('opened', ({ data }) => {
    const told = JSON.parse(data)
    cursor = cursor || told.at
    until = told.until
    setState({ word: isBehind() ? 'catching up' : 'live', opened: state.opened + 1, hears: [...asked] })
  })
  on('snapshot', ({ data }) => hand({ id: '', channel: 'demo//quotes', event: 'snapshot', data }))
  on('encke-gap', ({ lastEventId }) => hand({ id: lastEventId, gap: true }))
  on('message', ({ data }) => hand(JSON.parse(data)))
  mine.onerror = () => {
    if (mine !== source) return
    setState({ word: 'waiting' })
    // The browser comes back by itself, unless it was refused.
    if (mine.readyState === EventSource.CLOSED) retry = setTimeout(reopen, 1000 + Math.random() * 2000)
  }
}

/// Hands on what has come to all windows, this one among them.
function hand(message) {
  say({ kind: 'messages', messages: [message] })
  show(message)
  if (message.gap) setState({ missed: state.missed + 1, missedAt: Date.now() })
  if (state.word === 'catching up' && !isBehind()) setState({ word: 'live' })
}

function isBehind() {
  if (!until) return false
  const [epoch, seq] = parse(cursor)
  const [there, last] = parse(until)
  return epoch !== there || seq < last
}

function setState(change) {
  state = { ...state, ...change, windows: windows.size + 1, leads: true }
  say({ kind: 'state', state: { ...state }, cursor })
  watchers.forEach((tell) => tell(state))
}

// ---- what a window is told

function show(message) {
  if (message.id) {
    if (seen.has(message.id)) return
    seen.add(message.id)
    if (seen.size > 4 * HELD) seen.delete(seen.values().next().value)
    const [epoch, seq] = parse(message.id)
    const [ours, last] = parse(cursor)
    if (epoch !== ours || seq > last) cursor = message.id
    // Who comes later has missed nothing.
    if (!message.gap) held.push(message)
    if (held.length > HELD) held.shift()
  } else if (message.event === 'snapshot') {
    snapshot = message
  }
  const concerned = listeners.filter(({ name }) => message.gap || message.channel === name)
  new Set(concerned.map(({ tell }) => tell)).forEach((tell) => tell(message))
}

const due = new Set()

/// Calls `act` once, when all that happens now has happened.
function soon(act) {
  if (due.has(act)) return
  due.add(act)
  setTimeout(() => {
    due.delete(act)
    act()
  }, 20)
}
