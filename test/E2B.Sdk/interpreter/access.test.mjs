import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sdk } from '../lib/sdk.mjs'
import { createInterpreter, interpreter, interpreterTest, sharedInterpreterTest as shared } from '../lib/interpreter.mjs'

const url = process.env.E2B_SANDBOX_URL

function request(sandbox, path, { token, ...options } = {}) {
  const headers = { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': '49999', ...(token && { 'X-Access-Token': token }) }
  return fetch(url + path, { ...options, headers })
}

test('the template is the default one', async () => {
  assert.equal(sdk.Sandbox.defaultTemplate, interpreter)
})

shared('code runs only for the token of the sandbox', async (sandbox) => {
  const body = JSON.stringify({ code: '1' })
  for (const token of [undefined, 'wrong']) {
    const refused = await request(sandbox, '/execute', { method: 'POST', body, token })
    assert.equal(refused.status, 401)
    assert.equal((await refused.json()).code, 401)
  }
  assert.equal((await request(sandbox, '/contexts', { token: 'wrong' })).status, 401)
  assert.equal((await request(sandbox, '/health')).status, 200)
  const done = await request(sandbox, '/execute', { method: 'POST', body, token: sandbox.envdAccessToken })
  assert.deepEqual((await done.text()).trim().split('\n').map((line) => JSON.parse(line).type), ['number_of_executions', 'result', 'end_of_execution'])
})

shared('what cannot be understood is refused, and says why', async (sandbox) => {
  const token = sandbox.envdAccessToken
  const deep = '['.repeat(5000) + ']'.repeat(5000)
  const bodies = ['', '{', '[]', '{}', '{"code":1}', '{"code":null}', '{"code":"1","env_vars":{"A":1}}', '{"code":"1","env_vars":{"A=B":"c"}}', '{"code":"1","env_vars":{"A":"\\ud800"}}', '{"code":"1","env_vars":[]}',
    '{"code":"1","env_vars":0}', '{"code":"1","context_id":"a","language":"python"}', '{"code":"1","context_id":7}', '{"code":"1","language":["python"]}', deep, `{"code":${deep}}`, Buffer.from([0xff, 0xfe])]
  for (const body of bodies) {
    const refused = await request(sandbox, '/execute', { method: 'POST', body, token })
    assert.equal(refused.status, 400, String(body).slice(0, 80))
    assert.ok((await refused.json()).message)
  }
  for (const body of ['[]', '{', '{"language":1}', '{"cwd":[]}', '{"cwd":"a\\u0000b"}', '{"cwd":"\\ud800"}', '{"language":"none"}', deep]) {
    assert.equal((await request(sandbox, '/contexts', { method: 'POST', body })).status, 400, body.slice(0, 80))
  }
  for (const id of ['none', '%00', '..%2f..', 'x'.repeat(2000)]) {
    for (const [method, path] of [['DELETE', ''], ['POST', '/restart'], ['POST', '/interrupt']]) {
      const { status } = await request(sandbox, `/contexts/${id}${path}`, { method })
      assert.ok(status === 404 || status === 400, `${method} ${id.slice(0, 20)}${path}: ${status}`)
    }
  }
  const huge = await request(sandbox, '/execute', { method: 'POST', body: JSON.stringify({ code: 'x'.repeat(65 << 20) }), token })
  assert.equal(huge.status, 413)
  assert.equal((await request(sandbox, '/execute', { method: 'POST', body: '{"code":"1","context_id":"none"}', token })).status, 404)
  assert.equal((await request(sandbox, '/contexts/none', { method: 'DELETE' })).status, 404)
  assert.equal((await request(sandbox, '/contexts', { method: 'PATCH' })).status, 405)
  assert.equal((await request(sandbox, '/nowhere')).status, 404)
})

interpreterTest('runCode throws a descriptive error when the sandbox is killed during execution', async (sandbox) => {
  const execution = sandbox.runCode('import time; print("begun", flush=True); time.sleep(600)', { onStdout: () => sandbox.kill() })
  await assert.rejects(execution, (error) => error instanceof sdk.TimeoutError && /sandbox was killed while the request was in progress/.test(error.message))
  assert.equal((await request(sandbox, '/health')).status, 502)
})

test('variables live on through a pause', async () => {
  const sandbox = await createInterpreter()
  await sandbox.runCode('kept = 41')
  await sandbox.pause()
  assert.equal((await request(sandbox, '/health')).status, 502)
  const again = await sdk.Sandbox.connect(sandbox.sandboxId)
  assert.equal((await again.runCode('kept + 1')).text, '42')
})
