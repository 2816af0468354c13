// The package by host names and TLS: what `mitos env` prints is all it is told.
import assert from 'node:assert/strict'
import http2 from 'node:http2'
import { after, test } from 'node:test'
import { until } from '../lib/wait.mjs'

const { E2B_DOMAIN, E2B_API_URL, E2B_SANDBOX_URL } = process.env
const { Sandbox } = await import(process.env.E2B_SDK)
const made = []

async function create(options = {}) {
  const sandbox = await Sandbox.create('base', { timeoutMs: 600_000, ...options })
  made.push(sandbox)
  return sandbox
}

after(() => Promise.all(made.map((sandbox) => sandbox.kill())))

let shared
const share = () => (shared ??= create())
const serve = (sandbox, port, address = '0.0.0.0') => sandbox.commands.run(`python3 -m http.server ${port} --bind ${address}`, { background: true, timeoutMs: 0, cwd: '/etc' })
const ask = (sandbox, port, path = '/', headers = {}) => fetch(`https://${sandbox.getHost(port)}${path}`, { headers })

test('hosts are those of the domain', async () => {
  const sandbox = await share()
  assert.match(E2B_DOMAIN, /^mitos\.localhost:\d+$/)
  assert.deepEqual([E2B_API_URL, E2B_SANDBOX_URL], [`https://api.${E2B_DOMAIN}`, undefined])
  assert.equal(sandbox.getHost(3000), `3000-${sandbox.sandboxId}.${E2B_DOMAIN}`)
  assert.equal((await sandbox.commands.run('echo hello')).stdout, 'hello\n')
  assert.equal((await Sandbox.list().nextItems()).some((one) => one.sandboxId === sandbox.sandboxId), true)
})

test('ping server in running sandbox', async () => {
  const sandbox = await share()
  const server = await serve(sandbox, 8000)
  const answer = await until('the server', async () => {
    const got = await ask(sandbox, 8000, '/debian_version')
    return got.ok && got
  })
  assert.equal((await answer.text()).trim(), (await sandbox.files.read('/etc/debian_version')).trim())
  await server.kill()
})

test('a server is reached by HTTP/2', async () => {
  const sandbox = await share()
  const server = await serve(sandbox, 8001, '127.0.0.1')
  await until('the server', async () => (await ask(sandbox, 8001)).ok)
  const session = http2.connect(`https://${sandbox.getHost(8001)}`)
  const stream = session.request({ ':path': '/hostname' })
  const status = new Promise((resolve, reject) => stream.on('response', (headers) => resolve(headers[':status'])).on('error', reject))
  const body = Buffer.concat(await stream.toArray()).toString()
  session.close()
  assert.deepEqual([session.alpnProtocol, await status, body], ['h2', 200, await sandbox.files.read('/etc/hostname')])
  await server.kill()
})

test('ping server in non-running sandbox', async () => {
  const sandbox = await create()
  await serve(sandbox, 8000)
  await until('the server', async () => (await ask(sandbox, 8000)).ok)
  await sandbox.kill()
  const answer = await ask(sandbox, 8000)
  assert.equal(answer.status, 502)
  const body = await answer.json()
  assert.deepEqual([body.message, body.code, sandbox.sandboxId.startsWith(body.sandboxId)], ['The sandbox was not found', 502, true])
  assert.equal(await sandbox.isRunning(), false)
})

test('allowPublicTraffic=false sandbox requires traffic access token', async () => {
  const sandbox = await create({ network: { allowPublicTraffic: false } })
  await serve(sandbox, 8080)
  const headers = { 'e2b-traffic-access-token': sandbox.trafficAccessToken }
  await until('the server', async () => (await ask(sandbox, 8080, '/', headers)).ok)
  assert.equal((await ask(sandbox, 8080)).status, 403)
  assert.equal((await ask(sandbox, 8080, '/', { 'e2b-traffic-access-token': 'wrong' })).status, 403)
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
http.server.HTTPServer(('0.0.0.0', 8080), Echo).serve_forever()
`)
  await sandbox.commands.run('python3 echo.py', { background: true, timeoutMs: 0 })
  const answer = await until('the server', async () => {
    const got = await ask(sandbox, 8080)
    return got.ok && got
  })
  assert.equal(await answer.text(), 'custom-host.example.com:8080')
})

test('auto-resume wakes paused sandbox on http request', async () => {
  const sandbox = await create({ lifecycle: { onTimeout: 'pause', autoResume: true } })
  await serve(sandbox, 8000)
  await until('the server', async () => (await ask(sandbox, 8000)).ok)
  await sandbox.pause()
  assert.equal(await sandbox.isRunning(), false)
  assert.equal((await ask(sandbox, 8000)).status, 200)
  assert.equal((await sandbox.getInfo()).state, 'running')
})

test('signed URLs name the sandbox in their host', async () => {
  const sandbox = await share()
  const [upload, download] = [await sandbox.uploadUrl('hello.txt', { useSignatureExpiration: 3600 }), await sandbox.downloadUrl('hello.txt', { useSignatureExpiration: 3600 })]
  assert.equal(new URL(download).host, sandbox.getHost(49983))
  const data = new FormData()
  data.append('file', 'file content')
  const answer = await fetch(upload, { method: 'POST', body: data })
  assert.deepEqual([answer.status, await answer.text()], [200, '[{"name":"hello.txt","path":"/home/user/hello.txt","type":"file"}]'])
  assert.equal(await (await fetch(download)).text(), 'file content')
})
