// The chat: what was said and is still held, then what is said, in one order.
//
// Next: random.js.

import { listen, watch } from './live.js'
import { $, Log, post, tell } from './page.js'

const log = new Log($('log'), { most: 500 })
const add = (message) => log.add(message)
listen('channel', 'demo/chat', add)
listen('channel', 'demo/chat/room', add)

// Listening has begun before what is held is asked for, so nothing lies between the two; what comes twice is shown once.
let isFilled = false
watch((state) => {
  if (isFilled || !state.hears.includes('channel=demo/chat')) return
  isFilled = true
  log.fill('demo/chat', 'demo/chat/room')
})

const form = $('say')
form.elements.user.value = sessionStorage.getItem('encke-user') || ''

form.onsubmit = async (event) => {
  event.preventDefault()
  const { user, message } = form.elements
  sessionStorage.setItem('encke-user', user.value)
  const body = new URLSearchParams({ message: message.value })
  const answer = await post('/demo/chat/stream?user=' + encodeURIComponent(user.value || 'guest'), body)
  tell(form, answer)
  if (answer.ok) message.value = ''
  message.focus()
}
