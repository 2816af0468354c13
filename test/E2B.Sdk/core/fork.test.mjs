import assert from 'node:assert/strict'
import { test } from 'node:test'
import { api } from '../lib/http.mjs'
import { create, keep, remove, sandboxTest } from '../lib/sandboxes.mjs'
import { Sandbox, sdk } from '../lib/sdk.mjs'

sandboxTest('fork a sandbox', async (source) => {
  await source.files.write('before.txt', 'before')
  const forks = await source.fork()
  assert.equal(forks.length, 1)
  const fork = keep(forks[0])
  assert.match(fork.sandboxId, /^i[a-z0-9]{20}$/)
  assert.notEqual(fork.sandboxId, source.sandboxId)
  assert.equal(await fork.files.read('before.txt'), 'before')
  await fork.files.write('before.txt', 'changed in the fork')
  await fork.files.write('after.txt', '')
  assert.equal(await source.files.read('before.txt'), 'before')
  assert.equal(await source.files.exists('after.txt'), false)
  assert.equal(await source.isRunning(), true)
  assert.equal(await fork.isRunning(), true)
})

sandboxTest('fork a sandbox multiple times', async (source) => {
  const forks = (await source.fork({ count: 2, timeoutMs: 120_000 })).map(keep)
  assert.equal(new Set(forks.map((fork) => fork.sandboxId)).size, 2)
  for (const fork of forks) {
    assert.equal(await fork.isRunning(), true)
    const { startedAt, endAt } = await fork.getInfo()
    assert.equal(Math.round((endAt - startedAt) / 1000), 120)
  }
})

sandboxTest('fork a sandbox by ID with the static method', async (source) => {
  const [fork] = await Sandbox.fork(source.sandboxId)
  keep(fork)
  assert.equal((await fork.commands.run('echo $E2B_SANDBOX_ID')).stdout, fork.sandboxId + '\n')
  const { startedAt, endAt } = await fork.getInfo() // one that would end after 15 s, as the specification has it, would be of no use
  assert.equal(Math.round((endAt - startedAt) / 1000), 300)
})

test('fork a killed sandbox fails', async () => {
  const source = await create()
  await remove(source)
  await assert.rejects(source.fork(), sdk.SandboxNotFoundError)
})

sandboxTest('TestSandboxFork_Multiple: the forks are answered in order, each a sandbox of its own', async (source) => {
  const { status, json } = await api('POST', `/sandboxes/${source.sandboxId}/fork`, { count: 3, timeout: 60 })
  assert.equal(status, 201)
  const forks = json.map(({ sandbox, error }) => (assert.equal(error, undefined), keep(sandbox.sandboxID), sandbox))
  const details = await Promise.all(forks.map((fork) => api('GET', `/sandboxes/${fork.sandboxID}`)))
  assert.equal(new Set(details.map(({ json }) => json.forkPoint)).size, 1)
  assert.equal(new Set(forks.map((fork) => fork.envdAccessToken)).size, 3)
  assert.deepEqual(details.map(({ json }) => json.forkedFrom), Array(3).fill(source.sandboxId))
})

sandboxTest('TestSandboxFork_InvalidCount', async (source) => {
  const path = `/sandboxes/${source.sandboxId}/fork`
  assert.deepEqual((await api('POST', path, { count: 0 })).json, { code: 400, message: 'Count must be at least 1' })
  assert.deepEqual((await api('POST', path, { count: 101 })).json, { code: 400, message: 'Count cannot be greater than 100' })
  for (const body of ['{', '[]', { count: 'two' }, { timeout: -1 }, { timeout: 100_000_000 }, { count: 1.5 }]) {
    const { status, json } = await api('POST', path, body)
    assert.equal(status, 400, JSON.stringify(body))
    assert.equal(json.code, 400)
  }
})

test('TestSandboxFork_NotFound', async () => {
  const { status, json } = await api('POST', '/sandboxes/i00000000000000000000/fork', {})
  assert.equal(status, 404)
  assert.equal(json.code, 404)
  await assert.rejects(Sandbox.fork('i00000000000000000000'), sdk.SandboxNotFoundError)
})
