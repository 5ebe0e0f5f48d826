// Facts about the pages, each by its name, which is that of a test in tests/pages.rs.
//
//   ENCKE=target/debug/encke node facts.mjs every_page_is_live_in_two_windows
//
// Next: harness.mjs.

import assert from 'node:assert/strict'
import { PAGES, assertQuiet, closeAll, eventually, hasState, isLive, open, secret, serve, until, visitor } from './harness.mjs'

/// That a page shows something that only its stream can have brought.
const SIGNS = {
  '/': () => Number(document.getElementById('connections').firstChild.textContent) > 0 && document.getElementById('turn').textContent.includes('s'),
  '/demo/random': () => /^[0-9]$/.test(document.getElementById('number').textContent),
  '/demo/chat': () => document.getElementById('log').textContent.includes('hello'),
  '/demo/clock': () => Number(document.getElementById('ticks').textContent) >= 3,
  '/demo/quotes': () => document.querySelectorAll('#rows tr').length === 6 && [...document.querySelectorAll('#rows td:last-child')].some((cell) => Number(cell.textContent) > 1),
  '/demo/orders': () => Number(document.getElementById('changes').textContent) >= 3 && document.querySelectorAll('.board li').length > 0,
  '/demo/compare': () => [...document.querySelectorAll('#methods li')].filter((method) => Number(method.querySelectorAll('dd')[1].textContent) >= 2 && method.querySelectorAll('dd')[5].textContent.includes('ms')).length === 5,
}

const facts = {
  async every_page_is_live_in_two_windows() {
    await Promise.all(PAGES.map(async (path) => {
      const server = await serve()
      const context = await visitor()
      const pages = [await open(context, server.url + path), await open(context, server.url + path)]
      await Promise.all(pages.map(isLive))
      await server.say('bob', 'hello')
      // A hidden window has its timers slowed down, and publishes nothing.
      await pages[0].bringToFront()
      await Promise.all(pages.map((page) => until(page, 'its sign', SIGNS[path])))
      const streams = path === '/demo/compare' ? 4 : 1
      assert.equal(await server.metric('encke_connections{state="streaming"}'), streams, path)
      for (const page of pages) await until(page, 'who shares', () => document.getElementById('detail').textContent.includes('2 windows'))
      assertQuiet(...pages)
      await context.close()
      await server.killed()
    }))
  },

  async pages_survive_a_restart_and_tell_of_what_is_missing() {
    await Promise.all(PAGES.map(async (path) => {
      const server = await serve()
      const context = await visitor()
      const pages = [await open(context, server.url + path), await open(context, server.url + path)]
      await Promise.all(pages.map(isLive))
      await pages[0].bringToFront()
      await server.say('bob', 'hello')
      await Promise.all(pages.map((page) => until(page, 'its sign', SIGNS[path])))
      assertQuiet(...pages)
      await server.killed()
      await Promise.all(pages.map((page) => hasState(page, 'waiting')))
      const next = await serve([], server.port)
      await Promise.all(pages.map((page) => hasState(page, 'messages missed')))
      await next.say('bob', 'back')
      await Promise.all(pages.map(isLive))
      // It goes on: what is looked for now comes from the second server alone.
      if (path === '/demo/chat') {
        for (const page of pages) {
          const lines = await page.locator('#log li span:last-child').allInnerTexts()
          assert.deepEqual(lines, ['[bob]: hello', 'messages missed here', '[bob]: back'])
        }
      }
      const before = await next.metric('encke_messages_delivered_total')
      if (path === '/demo/compare') {
        const counts = (page) => page.locator('#methods dd:nth-of-type(1)').allInnerTexts()
        const then = JSON.stringify(await pages[0].evaluate(() => [...document.querySelectorAll('#methods li')].map((method) => method.querySelectorAll('dd')[1].textContent)))
        await until(pages[0], 'more messages for all five', (then) => {
          const now = [...document.querySelectorAll('#methods li')].map((method) => method.querySelectorAll('dd')[1].textContent)
          return now.every((count, index) => Number(count) > Number(JSON.parse(then)[index]))
        }, then)
        assert.equal((await counts(pages[0])).length > 0, true)
      } else if (path !== '/demo/chat') {
        await eventually('more', async () => await next.metric('encke_messages_delivered_total') > before)
      }
      // What the browser itself says of a server that was away is right; our own errors would not be.
      for (const page of pages) page.wrongs = page.wrongs.filter((wrong) => !/ERR_|Failed to load|frame/.test(wrong))
      assertQuiet(...pages)
      await context.close()
      await next.killed()
    }))
  },

  async another_window_takes_over_and_nothing_is_lost_or_doubled() {
    for (const withLocks of [true, false]) {
      const server = await serve()
      const context = await visitor()
      if (!withLocks) await context.addInitScript(() => Object.defineProperty(navigator, 'locks', { value: undefined }))
      const pages = []
      for (let count = 0; count < 3; count++) {
        pages.push(await open(context, server.url + '/demo/chat'))
        await isLive(pages[count])
      }
      let said = 0
      let stopped = false
      const talking = (async () => {
        while (!stopped) {
          assert.equal((await server.say('bob', String(++said))).status, 204)
          // At a pace that a browser on a busy machine can keep up with.
          await new Promise((done) => setTimeout(done, 20))
        }
      })()
      // Twice: from the first to the second, and from that to the third.
      talking.catch(() => {})
      while (pages.length > 1) {
        const then = said
        for (const page of pages) await until(page, 'what is said now', (then) => document.getElementById('log').lastElementChild.textContent.split(': ')[1] > then, then)
        const leading = []
        for (const page of pages) leading.push((await page.locator('#detail').innerText()).includes('this window holds it'))
        assert.deepEqual(leading.filter(Boolean), [true], 'one window leads')
        await pages.splice(leading.indexOf(true), 1)[0].close()
      }
      const [last] = pages
      await until(last, 'the lead', () => document.getElementById('detail').textContent.includes('held by this window'))
      stopped = true
      await talking
      await until(last, 'the last message', (said) => document.getElementById('log').lastElementChild.textContent.endsWith('[bob]: ' + said), said)
      const lines = await last.locator('#log li span:last-child').allInnerTexts()
      const expected = Array.from({ length: said }, (_, index) => '[bob]: ' + (index + 1))
      assert.deepEqual(lines, expected.slice(-lines.length))
      assert.ok(said > 5 && lines.length >= Math.min(said, 500), `${lines.length} of ${said}`)
      assertQuiet(last)
      await context.close()
      await server.killed()
    }
  },

  async a_window_that_comes_later_is_told_what_was_and_counts_only_what_is() {
    const server = await serve()
    const context = await visitor()
    const number = (page, id) => page.evaluate((id) => Number(document.getElementById(id).textContent), id)
    for (const [path, id, most] of [['/demo/clock', 'ticks', 9], ['/demo/orders', 'changes', 7]]) {
      const first = await open(context, server.url + path)
      await until(first, 'a while', ([id, most]) => Number(document.getElementById(id).textContent) >= most, [id, most])
      const second = await open(context, server.url + path)
      await isLive(second)
      await until(second, 'the first', (id) => Number(document.getElementById(id).textContent) >= 1, id)
      const [here, there] = [await number(first, id), await number(second, id)]
      assert.ok(there <= here - most + 2, `${there} of ${here}`)
      if (id === 'changes') assert.ok(await second.locator('#log li').count() >= most, 'what was is there to be read')
      assertQuiet(first, second)
    }
  },

  async a_message_with_a_type_of_its_own_is_shown_like_any_other() {
    const server = await serve()
    const page = await open(await visitor(), server.url + '/')
    await isLive(page)
    for (const event of ['runner', 'open', 'error', 'message']) await fetch(server.url + '/channels/news?event=' + event, { method: 'POST', body: 'as ' + event })
    await until(page, 'all four', () => document.querySelectorAll('#log li').length === 4)
    await hasState(page, 'live')
    assertQuiet(page)
  },

  async a_window_that_was_cut_off_catches_up_and_says_so() {
    const server = await serve()
    const context = await visitor()
    const pages = [await open(context, server.url + '/demo/chat'), await open(context, server.url + '/demo/chat')]
    for (const page of pages) {
      await isLive(page)
      await page.evaluate(() => {
        window.words = []
        new MutationObserver(() => words.push(document.getElementById('state').textContent)).observe(document.getElementById('state'), { childList: true })
      })
    }
    await server.say('bob', 'before')
    for (const page of pages) await until(page, 'the first', () => document.getElementById('log').textContent.includes('before'))
    // The end of a channel is the end of every stream that hears it; the browser comes back after a second or more.
    await fetch(server.url + '/channels/demo/chat/room', { method: 'DELETE' })
    for (let count = 1; count <= 50; count++) await server.say('bob', 'meanwhile ' + count)
    for (const page of pages) {
      await until(page, 'the last', () => document.getElementById('log').textContent.includes('meanwhile 50'))
      await hasState(page, 'live')
      assert.deepEqual(await page.evaluate(() => words), ['waiting', 'catching up', 'live'])
      assert.deepEqual(await page.locator('#log li span:last-child').allInnerTexts(), ['[bob]: before', ...Array.from({ length: 50 }, (_, index) => '[bob]: meanwhile ' + (index + 1))])
    }
    assertQuiet(...pages)
  },

  async seven_windows_share_one_connection_and_can_still_publish() {
    const server = await serve()
    const context = await visitor()
    const pages = []
    for (let count = 0; count < 8; count++) pages.push(await open(context, server.url + '/'))
    for (const page of pages) await isLive(page)
    const last = pages[7]
    await last.fill('#publish input[name=text]', 'through')
    await last.press('#publish input[name=text]', 'Enter')
    for (const page of pages) await until(page, 'the message', () => document.getElementById('log').textContent.includes('through'))
    assert.equal(await server.metric('encke_connections{state="streaming"}'), 1)
    assertQuiet(...pages)
  },

  async what_is_typed_is_shown_as_text() {
    const server = await serve()
    const context = await visitor()
    const page = await open(context, server.url + '/demo/chat')
    await isLive(page)
    const evil = '<img src=x onerror="alert(1)"><script>alert(2)</script></li><b>&amp;'
    await page.fill('#say input[name=user]', '<i>eve</i>')
    await page.fill('#say input[name=message]', evil)
    await page.press('#say input[name=message]', 'Enter')
    await server.say('bob', evil)
    await fetch(server.url + '/channels/demo/chat?event=room', { method: 'POST', body: evil })
    await until(page, 'three messages', () => document.querySelectorAll('#log li').length === 3)
    const lines = await page.locator('#log li span:last-child').allInnerTexts()
    assert.deepEqual(lines.sort(), ['[bob]: ' + evil, '[ieveI]: '.replace('I', 'i') + evil, evil].sort())
    assert.equal(await page.locator('#log img, #log script, #log b').count(), 0)
    // On the start page, and what a stranger writes to the channel of the comparison.
    const start = await open(context, server.url + '/')
    await isLive(start)
    await fetch(server.url + '/channels/news', { method: 'POST', body: evil })
    await until(start, 'the message', (evil) => document.getElementById('log').innerText.includes(evil), evil)
    const compare = await open(context, server.url + '/demo/compare')
    for (const body of ['', 'no JSON', 'null', '{"t":"x"}', '</script><script>alert(3)</script>']) await fetch(server.url + '/channels/demo/compare', { method: 'POST', body })
    await until(compare, 'its sign', SIGNS['/demo/compare'])
    assertQuiet(page, start, compare)
  },

  async all_can_be_done_with_the_keyboard_and_seen() {
    const server = await serve()
    const context = await visitor()
    const page = await open(context, server.url + '/')
    await isLive(page)
    const at = () => page.evaluate(() => {
      const { activeElement: element } = document
      const style = getComputedStyle(element)
      const name = element.getAttribute('aria-label') || element.labels?.[0]?.textContent || element.textContent
      return { id: element.id, tag: element.tagName, name: name.trim(), field: element.name || '', outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 }
    })
    await page.keyboard.press('Tab')
    assert.equal((await at()).name, 'To the content', 'the first stop leads past the menu')
    const seen = []
    for (let stop = await at(); stop.field !== 'text'; stop = await at()) {
      assert.ok(stop.outline && stop.name, JSON.stringify(stop))
      assert.ok(seen.push(stop.name) < 40, seen.join())
      await page.keyboard.press('Tab')
    }
    assert.ok(seen.includes('Compare') && seen.some((name) => name.startsWith('Copy: curl -N')), seen.join())
    await page.keyboard.type('by hand')
    await page.keyboard.press('Enter')
    await until(page, 'the message', () => document.getElementById('log').textContent.includes('by hand'))
    await until(page, 'an empty field that keeps the focus', () => document.activeElement.name === 'text' && document.activeElement.value === '')
    for (const path of PAGES) {
      await page.goto(server.url + path)
      const nameless = await page.evaluate(() => [...document.querySelectorAll('input, select, button, a, iframe, [role=log]')]
        .filter((element) => !(element.getAttribute('aria-label') || element.labels?.[0]?.textContent || element.title || element.textContent).trim())
        .map((element) => element.outerHTML))
      assert.deepEqual(nameless, [], path)
      const heads = await page.evaluate(() => [...document.querySelectorAll('h1, h2, h3')].map((head) => Number(head.tagName[1])))
      assert.equal(heads[0], 1)
      assert.ok(heads.every((level, index) => index === 0 || (level > 1 && level - heads[index - 1] <= 1)), `${path}: ${heads}`)
    }
    assertQuiet(page)
  },

  async a_phone_never_scrolls_sideways() {
    const server = await serve()
    for (const width of [360, 320]) {
      const context = await visitor({ viewport: { width, height: 740 }, isMobile: true, hasTouch: true })
      await server.say('bob', 'hello ' + 'x'.repeat(200))
      await Promise.all(PAGES.map(async (path) => {
        const page = await open(context, server.url + path)
        await isLive(page)
        await until(page, 'its sign', SIGNS[path])
        // Not against innerWidth, which grows with what is too wide.
        const wide = await page.evaluate(() => document.documentElement.scrollWidth)
        assert.ok(wide <= width, `${path} is ${wide} wide at ${width}`)
        assertQuiet(page)
      }))
      await context.close()
    }
  },

  async text_can_be_read_in_light_and_dark() {
    const server = await serve()
    const grounds = []
    for (const colorScheme of ['light', 'dark']) {
      const context = await visitor({ colorScheme, reducedMotion: 'reduce' })
      await server.say('bob', 'hello')
      await Promise.all(PAGES.map(async (path) => {
        const page = await open(context, server.url + path)
        await isLive(page)
        await until(page, 'its sign', SIGNS[path])
        const { faint, ground, moving } = await page.evaluate(contrasts)
        assert.deepEqual(faint, [], `${path} in ${colorScheme}`)
        assert.equal(moving, 0, 'nothing moves for whoever asks for that')
        grounds.push(ground)
      }))
      await context.close()
    }
    assert.ok(grounds.slice(0, 7).every((ground) => ground > 0.8) && grounds.slice(7).every((ground) => ground < 0.05), grounds.join())
  },

  async without_the_key_a_page_says_so_and_with_it_publishes() {
    const server = await serve(['--publish-key-file', secret('keys', 'open-sesame-open-sesame\n')])
    const context = await visitor()
    const page = await open(context, server.url + '/')
    await isLive(page)
    await page.fill('#publish input[name=text]', 'let me in')
    await page.press('#publish input[name=text]', 'Enter')
    await until(page, 'the reason', () => document.querySelector('.answer').textContent.includes('key'))
    assert.ok((await page.locator('pre').allInnerTexts()).some((line) => line.includes('Bearer KEY')), 'the lines say where the key goes')
    await page.fill('#publish input[name=key]', 'open-sesame-open-sesame')
    await page.press('#publish input[name=text]', 'Enter')
    await until(page, 'the message', () => document.getElementById('log').textContent.includes('let me in'))
    await page.goto(server.url + '/demo/chat')
    await isLive(page)
    assert.equal(await page.inputValue('#say input[name=key]'), 'open-sesame-open-sesame', 'it is kept while the window is open')
    await page.fill('#say input[name=message]', 'hello')
    await page.press('#say input[name=message]', 'Enter')
    await until(page, 'its sign', SIGNS['/demo/chat'])
    // That the first POST was refused is told by the browser too.
    assert.ok(page.wrongs.every((wrong) => wrong.includes('401')), page.wrongs.join())
    const other = await (await visitor()).newPage()
    await other.goto(server.url + '/demo/chat')
    assert.equal(await other.inputValue('#say input[name=key]'), '', 'and by no other')
  },

  async the_lines_for_the_shell_name_this_server_and_can_be_copied() {
    const server = await serve()
    const context = await visitor()
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    const page = await open(context, server.url + '/')
    await page.getByRole('button', { name: 'Copy: curl -N http' }).first().click()
    await until(page, 'the word', () => [...document.querySelectorAll('.line button')].some((button) => button.textContent === 'Copied'))
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `curl -N ${server.url}/channels/news`)
    const bare = await visitor({ javaScriptEnabled: false })
    for (const path of PAGES) {
      const still = await open(bare, server.url + path)
      const lines = await still.locator('pre.shell').allInnerTexts()
      assert.ok(lines.length > 0 && lines.every((line) => line.includes(server.url) || line.startsWith('new EventSource')), path)
      assert.ok((await still.locator('#detail').innerText()).includes('JavaScript'))
      await still.close()
    }
    assertQuiet(page)
  },

  async a_stream_of_ones_own_starts_counts_and_stops() {
    const server = await serve()
    const context = await visitor()
    const page = await open(context, server.url + '/demo/random')
    await isLive(page)
    await page.fill('#form input', '0.1')
    await page.press('#form input', 'Enter')
    await until(page, 'three lines', () => document.querySelectorAll('#lines li').length >= 3 && document.getElementById('counted').textContent.startsWith('one request'))
    assert.ok((await page.locator('#lines li span:last-child').allInnerTexts()).every((line) => /^random:[0-9]$/.test(line)))
    // Another window is told why it has to wait.
    const other = await open(context, server.url + '/demo/random')
    await other.press('#form input', 'Enter')
    await until(other, 'the reason', () => document.getElementById('reason').textContent.includes('six connections'))
    await page.click('#toggle')
    await eventually('the end of the stream', async () => await server.metric('encke_connections{state="answering"}') <= 1)
    assertQuiet(page, other)
  },
}

/// In the page: texts whose contrast with what lies behind them is below WCAG's AA, the luminance of the ground, and what moves.
function contrasts() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = color
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((value) => value / 255).map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor)
      if (color[3] === 255) return color
    }
    return [255, 255, 255]
  }
  const faint = []
  for (const element of document.querySelectorAll('body *')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
    if (!hasText || !element.checkVisibility({ checkVisibilityCSS: true }) || element.closest('.unseen')) continue
    const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < 4.5) faint.push(`${element.tagName} ${element.className}: ${element.textContent.slice(0, 30)} (${ratio.toFixed(2)})`)
  }
  return { faint, ground: luminance(behind(document.body)), moving: document.getAnimations().length }
}

// ---- one fact, by its name

process.stdin.resume()
process.stdin.on('end', async () => {
  await closeAll()
  process.exit(1)
})
let outcome = 0
try {
  await facts[process.argv[2]]()
} catch (error) {
  console.error(error)
  outcome = 1
}
await closeAll()
process.exit(outcome)
