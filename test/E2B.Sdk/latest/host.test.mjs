// Ports of sandboxes in plain mode, where headers name them; domain/ has them by host name and TLS.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask } from '../lib/http.mjs'
import { create, keep, sharedTest } from '../lib/sandboxes.mjs'
import { until } from '../lib/wait.mjs'

const serve = (sandbox, port, address = '127.0.0.1') => sandbox.commands.run(`python3 -m http.server ${port} --bind ${address}`, { background: true, timeoutMs: 0, cwd: '/etc' })

sharedTest('ping server in running sandbox', async (sandbox) => {
  await sandbox.commands.run('mkdir -p /tmp/www && printf pong > /tmp/www/ping')
  const server = await sandbox.commands.run('python3 -m http.server 8000 --bind 127.0.0.1', { background: true, timeoutMs: 0, cwd: '/tmp/www' })
  const answer = await until('the server', async () => {
    const got = await ask(sandbox.sandboxId, 8000, '/ping')
    return got.ok && got
  })
  assert.equal(await answer.text(), 'pong')
  await server.kill()
})

sharedTest('a port that nobody listens on', async (sandbox) => {
  const answer = await ask(sandbox.sandboxId, 8001)
  assert.equal(answer.status, 502)
  assert.deepEqual(await answer.json(), { sandboxId: sandbox.sandboxId, message: 'The sandbox is running but port is not open', code: 502, port: 8001 })
})

test('ping server in non-running sandbox', async () => {
  const sandbox = keep(await create())
  await sandbox.kill()
  for (const port of [8000, 49983]) {
    const answer = await ask(sandbox.sandboxId, port, '/health')
    assert.equal(answer.status, 502)
    assert.deepEqual(await answer.json(), { sandboxId: sandbox.sandboxId, message: 'The sandbox was not found', code: 502 })
  }
})

sharedTest('a browser gets a page', async (sandbox) => {
  const answer = await ask(sandbox.sandboxId, 8001, '/', { headers: { Accept: 'text/html' } })
  assert.equal(answer.status, 502)
  assert.match(answer.headers.get('Content-Type'), /^text\/html/)
  assert.match(await answer.text(), /nothing in it listens on port 8001/)
})

test('allowPublicTraffic=false sandbox requires traffic access token', async () => {
  const sandbox = await create({ network: { allowPublicTraffic: false } })
  await serve(sandbox, 8000)
  assert.ok(sandbox.trafficAccessToken)
  for (const headers of [{}, { 'e2b-traffic-access-token': 'wrong' }]) assert.equal((await ask(sandbox.sandboxId, 8000, '/', { headers })).status, 403)
  await until('the server', async () => (await ask(sandbox.sandboxId, 8000, '/', { headers: { 'e2b-traffic-access-token': sandbox.trafficAccessToken } })).ok)
  await sandbox.kill()
})

test('maskRequestHost option verify mask_request_host modifies Host header correctly', async () => {
  const sandbox = await create({ network: { maskRequestHost: 'custom-host.example.com:${PORT}' } })
  await sandbox.files.write('echo.py', `import http.server
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.headers['Host'].encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', 8000), Echo).serve_forever()
`)
  await sandbox.commands.run('python3 echo.py', { background: true, timeoutMs: 0 })
  const answer = await until('the server', async () => {
    const got = await ask(sandbox.sandboxId, 8000)
    return got.ok && got
  })
  assert.equal(await answer.text(), 'custom-host.example.com:8000')
  await sandbox.kill()
})

test('auto-resume wakes paused sandbox on http request', async () => {
  const sandbox = await create({ timeoutMs: 120_000, lifecycle: { onTimeout: 'pause', autoResume: true } })
  await serve(sandbox, 8000, '0.0.0.0')
  await until('the server', async () => (await ask(sandbox.sandboxId, 8000)).ok)
  await sandbox.pause()
  assert.equal(await sandbox.isRunning(), false) // asking whether it runs wakes nobody
  assert.equal((await ask(sandbox.sandboxId, 8000)).status, 200)
  assert.equal((await sandbox.getInfo()).state, 'running')
  await sandbox.kill()
})

test('a paused sandbox that may not wake by itself is not found', async () => {
  const sandbox = await create()
  await sandbox.pause()
  assert.equal((await ask(sandbox.sandboxId, 8000)).status, 502)
  assert.equal((await sandbox.getInfo()).state, 'paused')
  await sandbox.kill()
})
