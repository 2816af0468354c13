import assert from 'node:assert/strict'
import { api } from '../lib/http.mjs'
import { sharedTest } from '../lib/sandboxes.mjs'

const read = async (sandbox, query = '', version = '/v2') => {
  const { status, json } = await api('GET', `${version}/sandboxes/${sandbox.sandboxId}/logs?${query}`)
  assert.equal(status, 200, query)
  return json
}

sharedTest('the logs of a sandbox', async (sandbox) => {
  await sandbox.commands.run('echo said')
  await sandbox.commands.run('exit 3').catch(() => {})
  const { logs } = await read(sandbox)
  for (const what of ['echo said', 'exit status 0', 'exit 3', 'exit status 3']) assert.ok(logs.some((log) => log.message.includes(what)), what)
  assert.ok(logs.length > 0)
  for (const { timestamp, message, level, fields } of logs) {
    assert.ok(!Number.isNaN(Date.parse(timestamp)) && message.length > 0 && typeof fields === 'object')
    assert.match(level, /^(debug|info|warn|error)$/)
  }
  const old = await read(sandbox, '', '')
  const lines = old.logs.map((log) => JSON.parse(log.line)) // as the command line of E2B reads them
  assert.deepEqual(lines.map(({ message, level }) => [message, level]), old.logEntries.map(({ message, level }) => [message, level]))
  assert.ok(lines.every(({ logger }) => logger === 'process' || logger === 'console'))
  assert.deepEqual(old.logEntries, logs)
})

sharedTest('logs in pages, in both directions', async (sandbox) => {
  const all = (await read(sandbox, 'direction=forward')).logs
  assert.deepEqual((await read(sandbox, 'direction=backward')).logs, all.toReversed())
  assert.deepEqual((await read(sandbox, 'limit=2')).logs, all.slice(0, 2))
  assert.deepEqual((await read(sandbox, 'limit=2&direction=backward')).logs, all.toReversed().slice(0, 2))
  const last = Date.parse(all.at(-1).timestamp)
  assert.deepEqual((await read(sandbox, `cursor=${last + 1000}`)).logs, [])
  assert.deepEqual((await read(sandbox, `cursor=${last + 1000}&direction=backward`)).logs, all.toReversed())
})

sharedTest('logs by level and by what they say', async (sandbox) => {
  const all = (await read(sandbox)).logs
  const word = all[0].message.slice(0, 8)
  assert.deepEqual((await read(sandbox, new URLSearchParams({ search: word }).toString())).logs, all.filter((log) => log.message.includes(word)))
  assert.deepEqual((await read(sandbox, 'search=nothing-says-this')).logs, [])
  assert.deepEqual((await read(sandbox, 'level=warn')).logs, all.filter((log) => /warn|error/.test(log.level)))
})

sharedTest('logs that make no sense are refused', async (sandbox) => {
  for (const query of ['limit=-1', 'limit=1001', 'direction=up', 'level=loud', 'cursor=x']) {
    const { status, json } = await api('GET', `/v2/sandboxes/${sandbox.sandboxId}/logs?${query}`)
    assert.deepEqual([status, json.code], [400, 400], query)
  }
  assert.equal((await api('GET', '/v2/sandboxes/i00000000000000000000/logs')).status, 404)
})
