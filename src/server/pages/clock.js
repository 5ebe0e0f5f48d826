// The clock: each tick as it comes, and how late it is.
//
// Next: quotes.js.

import { listen } from './live.js'
import { $, Spark } from './page.js'

const HALF = 500
const spark = new Spark($('spark'), 60)
let ticks = 0
let missed = 0
let last = 0

listen('topic', 'clock', (message) => {
  if (message.old) return
  if (message.gap) {
    $('missed').textContent = String(++missed)
    last = 0
    return
  }
  $('face').textContent = message.data
  $('face').dateTime = message.data + 'Z'
  $('ticks').textContent = (++ticks).toLocaleString('en')
  if (document.hidden) {
    last = 0
    return
  }
  const now = performance.now()
  const late = lateness(message.data)
  $('late').textContent = Math.abs(late) < 5000 ? late.toFixed(1) + ' ms' : 'the two clocks differ'
  if (Math.abs(late) < 5000) spark.add(late)
  if (last) $('pause').textContent = (now - last).toFixed(0) + ' ms'
  last = now
})

/// How long ago that half second was, in milliseconds, near midnight too.
function lateness(face) {
  const [hours, minutes, seconds] = face.split(':').map(Number)
  const there = (hours * 60 + minutes) * 60_000 + seconds * 1000
  const here = (performance.timeOrigin + performance.now()) % 86_400_000
  const late = here - there
  return late > 43_200_000 ? late - 86_400_000 : late < -43_200_000 ? late + 86_400_000 : late
}

// The face begins with what it is now, to the half second, and is corrected by the first tick.
const now = new Date(Math.floor(Date.now() / HALF) * HALF).toISOString()
$('face').textContent = now.slice(11, 21)
