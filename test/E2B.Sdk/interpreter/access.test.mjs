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
  for (const body of ['', '{', '[]', '{}', '{"code":1}', '{"code":"1","env_vars":{"A":1}}', '{"code":"1","env_vars":{"A=B":"c"}}', '{"code":"1","context_id":"a","language":"python"}']) {
    const refused = await request(sandbox, '/execute', { method: 'POST', body, token })
    assert.equal(refused.status, 400, body)
    assert.ok((await refused.json()).message)
  }
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
