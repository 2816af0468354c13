import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { api, ask, askAgent } from '../lib/http.mjs'
import { create, remove, sandboxTest } from '../lib/sandboxes.mjs'
import { Sandbox, sdk } from '../lib/sdk.mjs'
import { until } from '../lib/wait.mjs'

const stateOf = async (sandbox) => (await sandbox.getInfo()).state
const bootId = async (sandbox) => (await sandbox.commands.run('cat /proc/sys/kernel/random/boot_id')).stdout

test('shorten then lengthen timeout', async () => {
  const sandbox = await create({ timeoutMs: 600_000 })
  await sandbox.setTimeout(3_000)
  await sandbox.setTimeout(600_000)
  const left = (await sandbox.getInfo()).endAt - Date.now()
  assert.ok(left > 590_000 && left <= 600_000, `${left} ms are left`)
  await sleep(4_000) // the first end
  assert.equal(await sandbox.isRunning(), true)
  await remove(sandbox)
})

test('shorten timeout', async () => {
  const sandbox = await create({ timeoutMs: 600_000 })
  await sandbox.setTimeout(1_000)
  await until('the end', async () => !(await sandbox.isRunning()))
  await assert.rejects(sandbox.getInfo(), sdk.SandboxNotFoundError)
})

test('a sandbox ends after its time', async () => {
  const sandbox = await create({ timeoutMs: 2_000 })
  await until('the end', async () => !(await sandbox.isRunning()))
  assert.equal(await Sandbox.kill(sandbox.sandboxId), false)
})

test('auto-pause without auto-resume requires connect to wake', async () => {
  const sandbox = await create({ timeoutMs: 3_000, lifecycle: { onTimeout: 'pause', autoResume: false } })
  await sandbox.files.write('kept.txt', 'kept')
  await until('the pause', async () => (await stateOf(sandbox)) === 'paused')
  assert.equal(await sandbox.isRunning(), false)
  await sandbox.connect({ timeoutMs: 60_000 })
  assert.equal(await stateOf(sandbox), 'running')
  assert.equal(await sandbox.files.read('kept.txt'), 'kept')
  await remove(sandbox)
})

test('auto-resume: commands, files and signed addresses wake it, for as long as it was to live; strangers do not', async () => {
  const sandbox = await create({ timeoutMs: 1_800_000, lifecycle: { onTimeout: 'pause', autoResume: true } })
  const url = await sandbox.downloadUrl('kept.txt')
  await sandbox.files.write('kept.txt', 'kept')
  const command = await sandbox.commands.run('sleep 3600', { background: true, timeoutMs: 0 })
  const pid = command.pid
  await command.disconnect()
  const wakes = async (act) => {
    await sandbox.pause()
    assert.equal(await sandbox.isRunning(), false) // a question, and no use
    assert.equal((await ask(sandbox.sandboxId, 49983, '/files?path=kept.txt', { headers: { 'X-Access-Token': 'wrong' } })).status, 401)
    assert.equal((await ask(sandbox.sandboxId, 49983, '/envs')).status, 401)
    assert.equal((await fetch(url.replace(/signature=[^&]*/, 'signature=v1_wrong'))).status, 401)
    assert.equal(await stateOf(sandbox), 'paused')
    await act()
    const left = (await sandbox.getInfo()).endAt - Date.now()
    assert.ok(left > 1_700_000 && left <= 1_800_000, `${left} ms are left`)
  }
  await wakes(async () => assert.equal((await sandbox.commands.run('cat kept.txt')).stdout, 'kept'))
  await wakes(async () => assert.equal(await sandbox.files.read('kept.txt'), 'kept'))
  await wakes(async () => assert.equal(await (await fetch(url)).text(), 'kept'))
  await wakes(async () => assert.ok((await sandbox.commands.list()).some((process) => process.pid === pid)))
  assert.equal((await askAgent(sandbox, '/envs')).status, 200)
  await remove(sandbox)
})

sandboxTest('filesystem-only pause reboots on resume but keeps the filesystem', async (sandbox) => {
  await sandbox.files.write('kept.txt', 'kept')
  const before = await bootId(sandbox)
  const command = await sandbox.commands.run('sleep 3600', { background: true, timeoutMs: 0 })
  await sandbox.pause({ keepMemory: false })
  assert.equal(await stateOf(sandbox), 'paused')
  await command.disconnect().catch(() => {})
  await sandbox.connect()
  assert.equal(await sandbox.files.read('kept.txt'), 'kept')
  assert.notEqual(await bootId(sandbox), before)
  assert.equal((await sandbox.commands.run('pgrep -fx "sleep 3600" || true')).stdout, '')
})

test('filesystem-only auto-pause reboots on connect', async () => {
  const sandbox = await create({ timeoutMs: 8_000, lifecycle: { onTimeout: { action: 'pause', keepMemory: false } } })
  await sandbox.files.write('kept.txt', 'kept')
  const before = await bootId(sandbox)
  await until('the pause', async () => (await stateOf(sandbox)) === 'paused')
  await sandbox.connect()
  assert.equal(await sandbox.files.read('kept.txt'), 'kept')
  assert.notEqual(await bootId(sandbox), before)
  await remove(sandbox)
})

sandboxTest('connect can reboot instead of restoring memory', async (sandbox) => {
  await sandbox.files.write('kept.txt', 'kept')
  const before = await bootId(sandbox)
  await sandbox.connect({ onResume: 'reboot' }) // it runs: nothing happens
  assert.equal(await bootId(sandbox), before)
  await sandbox.pause()
  await sandbox.connect({ onResume: 'reboot' })
  assert.equal(await sandbox.files.read('kept.txt'), 'kept')
  assert.notEqual(await bootId(sandbox), before)
})

test('get lifecycle', async () => {
  const sandbox = await create({ lifecycle: { onTimeout: 'pause', autoResume: true } })
  assert.deepEqual((await sandbox.getInfo()).lifecycle, { onTimeout: 'pause', autoResume: true })
  await remove(sandbox)
  const plain = await create()
  assert.deepEqual((await plain.getInfo()).lifecycle, { onTimeout: 'kill', autoResume: false })
  await remove(plain)
})

sandboxTest('get info', async (sandbox) => {
  const info = await sandbox.getInfo()
  assert.deepEqual([info.sandboxId, info.state, info.templateId, info.envdVersion], [sandbox.sandboxId, 'running', 'base', '0.6.13'])
  assert.equal(Math.round((info.endAt - info.startedAt) / 1000), 300)
})

test('metadata', async () => {
  const metadata = { user: 'an id', 'with space': 'ü & =' }
  const sandbox = await create({ metadata })
  assert.deepEqual((await sandbox.getInfo()).metadata, metadata)
  await remove(sandbox)
})

sandboxTest('refreshes move the end further away, never nearer', async (sandbox) => {
  const before = (await sandbox.getInfo()).endAt
  assert.equal((await api('POST', `/sandboxes/${sandbox.sandboxId}/refreshes`, { duration: 10 })).status, 204)
  assert.deepEqual((await sandbox.getInfo()).endAt, before)
  assert.equal((await api('POST', `/sandboxes/${sandbox.sandboxId}/refreshes`, { duration: 3600 })).status, 204)
  assert.ok((await sandbox.getInfo()).endAt > before)
  assert.equal((await api('POST', `/sandboxes/${sandbox.sandboxId}/refreshes`, { duration: 3601 })).status, 400)
})

sandboxTest('resume wakes one that is paused, and refuses one that runs', async (sandbox) => {
  const path = `/sandboxes/${sandbox.sandboxId}/resume`
  assert.equal((await api('POST', path, { timeout: 60 })).status, 409)
  await sandbox.pause()
  const { status, json } = await api('POST', path, { timeout: 60 })
  assert.deepEqual([status, json.sandboxID, json.envdAccessToken], [201, sandbox.sandboxId, sandbox.envdAccessToken])
})

sandboxTest('connect answers 200 for one that runs and 201 for one that it wakes', async (sandbox) => {
  for (const path of [`/v2/sandboxes/${sandbox.sandboxId}/connect`, `/sandboxes/${sandbox.sandboxId}/connect`]) {
    assert.equal((await api('POST', path, { timeout: 60 })).status, 200)
    await sandbox.pause()
    const { status, json } = await api('POST', path, { timeout: 60 })
    assert.deepEqual([status, json.envdAccessToken], [201, sandbox.envdAccessToken])
  }
  assert.equal((await api('POST', `/v2/sandboxes/${sandbox.sandboxId}/connect`)).status, 200)
  assert.equal((await api('POST', `/sandboxes/${sandbox.sandboxId}/connect`, {})).status, 400)
})

test('a sandbox that makes no sense is refused', async () => {
  const bad = [
    '{', '', {}, { templateID: 7 }, { templateID: 'base', timeout: -1 }, { templateID: 'base', timeout: 1e9 }, { templateID: 'base', metadata: { a: 1 } },
    { templateID: 'base', autoPauseMemory: false }, { templateID: 'base', autoPause: true, autoPauseMemory: false, autoResume: { enabled: true } },
    { templateID: 'base', network: { denyOut: ['example.com'] } }, { templateID: 'base', network: { allowOut: ['example.com'] } },
    { templateID: 'base', network: { allowPublicTraffic: 'false' } }, { templateID: 'base', volumeMounts: [{ name: 'data', path: '/data' }] },
  ]
  for (const body of bad) {
    const { status, json } = await api('POST', '/v2/sandboxes', body)
    assert.deepEqual([status, json.code], [400, 400], JSON.stringify(body))
    assert.ok(json.message.length > 0)
  }
  const { status, json } = await api('POST', '/v2/sandboxes', { templateID: 'not-there' })
  assert.deepEqual([status, json.code], [404, 404])
})

test('a key that is not valid is refused', async () => {
  await assert.rejects(Sandbox.create('base', { apiKey: 'e2b_' + '0'.repeat(40) }), sdk.AuthenticationError)
  const { status, json } = await api('GET', '/v2/sandboxes', undefined, { 'X-API-KEY': 'none' })
  assert.deepEqual([status, json.code], [401, 401])
})
