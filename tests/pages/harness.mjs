// What the tests of the pages share: the command as a child, a browser with a profile of its own, windows that note what goes wrong.
//
// tests/pages.rs runs facts.mjs, which uses this. Nothing waits for a length of time: what is waited for is a fact, until PATIENCE.
//
// Invariant: whatever happens, no server and no browser is left. The Rust test holds our standard input; when that ends, so do we.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

/// How long anything may take before a fact has failed. A browser on a machine that does other things too needs its time.
export const PATIENCE = 60_000

export const PAGES = ['/', '/demo/random', '/demo/chat', '/demo/clock', '/demo/quotes', '/demo/orders', '/demo/compare']

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync']

const servers = new Set()
const folder = mkdtempSync(join(tmpdir(), 'encke-pages-'))
let browser = null

export async function closeAll() {
  if (browser) await browser.close().catch(() => {})
  clear()
}

function clear() {
  servers.forEach((server) => server.child.kill('SIGKILL'))
  rmSync(folder, { recursive: true, force: true })
}

// Also when something is thrown where nobody catches it.
process.on('exit', clear)

/// A running `encke`.
export async function serve(flags = [], port = 0) {
  const child = spawn(process.env.ENCKE, ['--listen', `127.0.0.1:${port}`, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  const server = { child }
  servers.add(server)
  child.on('exit', () => servers.delete(server))
  for await (const line of createInterface(child.stdout)) {
    server.url = line.match(/http:\/\/\S+/)[0]
    break
  }
  server.port = Number(new URL(server.url).port)
  /// As nobody can prepare for.
  server.killed = () => new Promise((done) => {
    child.once('exit', done)
    child.kill('SIGKILL')
  })
  server.metric = async (name) => {
    const text = await (await fetch(server.url + '/metrics', { headers: { connection: 'close' } })).text()
    return Number(text.split('\n').find((line) => line.startsWith(name + ' ')).split(' ')[1])
  }
  server.say = (user, message) => fetch(`${server.url}/demo/chat/stream?user=${user}`, { method: 'POST', body: new URLSearchParams({ message }) })
  return server
}

/// A file that only its owner can read.
export function secret(name, text) {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

/// A browser as one visitor has it: windows in it share what windows share.
export async function visitor(options = {}) {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS })
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options })
  context.setDefaultTimeout(PATIENCE)
  return context
}

/// A window, and what went wrong in it.
export async function open(context, url) {
  const page = await context.newPage()
  page.wrongs = []
  page.on('pageerror', (error) => page.wrongs.push(String(error)))
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) page.wrongs.push(message.text()) })
  page.on('dialog', (dialog) => { page.wrongs.push('a dialog: ' + dialog.message()); dialog.dismiss() })
  page.on('request', (request) => { if (new URL(request.url()).origin !== new URL(url).origin) page.wrongs.push('asked ' + request.url()) })
  await page.goto(url)
  return page
}

export function assertQuiet(...pages) {
  for (const page of pages) assert.deepEqual(page.wrongs, [], page.url())
}

/// Waits until it is so in the page; says what stands there if it never is.
export async function until(page, what, condition, argument) {
  try {
    await page.waitForFunction(condition, argument, { timeout: PATIENCE, polling: 50 })
  } catch {
    const text = await page.locator('body').innerText()
    assert.fail(`${page.url()}: ${what} does not come; there is:\n${text.slice(0, 1500)}`)
  }
}

export const isLive = (page) => until(page, 'live', () => document.getElementById('state').textContent === 'live')

export const hasState = (page, word) => until(page, word, (word) => document.getElementById('state').textContent === word, word)

/// Waits until it is so here.
export async function eventually(what, condition) {
  const end = Date.now() + PATIENCE
  while (!(await condition())) assert.ok(Date.now() < end, what + ' does not come')
}
