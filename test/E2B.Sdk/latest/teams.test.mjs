// Another team's sandboxes are not there, and each team has its limits.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { api, askLocally } from '../lib/http.mjs'
import { sandboxTest } from '../lib/sandboxes.mjs'
import { Sandbox, sdk } from '../lib/sdk.mjs'

/** A key of a new team, as the packages want it to begin. */
async function newTeam(limits = {}) {
  const name = `team-${randomUUID()}`
  assert.equal((await askLocally('POST', '/v1/teams', { name, ...limits })).status, 201)
  const { json } = await askLocally('POST', '/v1/keys', { name: 'of a test', team: name })
  return json.key.replace(/^mitos_/, 'e2b_')
}

sandboxTest('TestSandboxFork_CrossTeamAccess', async (sandbox) => {
  const apiKey = await newTeam()
  await assert.rejects(Sandbox.fork(sandbox.sandboxId, { apiKey }), sdk.SandboxNotFoundError)
  await assert.rejects(Sandbox.connect(sandbox.sandboxId, { apiKey }), sdk.SandboxNotFoundError)
  await assert.rejects(Sandbox.getInfo(sandbox.sandboxId, { apiKey }), sdk.SandboxNotFoundError)
  assert.equal(await Sandbox.kill(sandbox.sandboxId, { apiKey }), false)
  assert.deepEqual(await Sandbox.list({ apiKey }).nextItems(), [])
  assert.equal(await sandbox.isRunning(), true)
})

test('a team runs as many sandboxes as it may at once', async () => {
  const apiKey = await newTeam({ concurrentSandboxes: 1 })
  const first = await Sandbox.create('base', { apiKey })
  const { status, json, headers } = await api('POST', '/v2/sandboxes', { templateID: 'base' }, { 'X-API-KEY': apiKey })
  assert.deepEqual([status, json.code], [429, 429])
  assert.match(headers.get('retry-after'), /^[1-9]\d*$/)
  await assert.rejects(Sandbox.create('base', { apiKey, requestTimeoutMs: 5_000, retries: 0 }), sdk.RateLimitError)
  await first.kill()
  const second = await Sandbox.create('base', { apiKey })
  await second.kill()
})

test('a private template is not there for another team', async () => {
  const apiKey = await newTeam()
  assert.equal(await sdk.Template.exists('base', { apiKey }), true)
  assert.equal((await api('DELETE', '/templates/base', undefined, { 'X-API-KEY': apiKey })).status, 403)
  await api('PATCH', '/v2/templates/base', { public: false })
  try {
    assert.equal(await sdk.Template.exists('base', { apiKey }), false)
    await assert.rejects(Sandbox.create('base', { apiKey }), /not found/)
    assert.equal(await sdk.Template.exists('base'), true)
  } finally {
    await api('PATCH', '/v2/templates/base', { public: true })
  }
})

test('a key that is revoked is refused at once', async () => {
  const apiKey = await newTeam()
  await Sandbox.list({ apiKey }).nextItems()
  const { json } = await api('GET', '/api-keys', undefined, { 'X-API-KEY': apiKey })
  const { json: other } = await api('POST', '/api-keys', { name: 'another' }, { 'X-API-KEY': apiKey })
  assert.match(other.key, /^e2b_[0-9a-f]{40}$/)
  assert.equal((await api('DELETE', `/api-keys/${json[0].id}`, undefined, { 'X-API-KEY': other.key })).status, 204)
  await assert.rejects(Sandbox.list({ apiKey }).nextItems(), sdk.AuthenticationError)
  await Sandbox.list({ apiKey: other.key }).nextItems()
})
