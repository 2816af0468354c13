import assert from 'node:assert/strict'
import { api } from '../lib/http.mjs'
import { sharedTest } from '../lib/sandboxes.mjs'
import { until } from '../lib/wait.mjs'

const some = (sandbox, range) => until('a sample', async () => {
  const samples = await sandbox.getMetrics(range?.())
  return samples.length > 0 && samples
}, 30_000)

sharedTest('sbx metrics', async (sandbox) => {
  const [metrics] = await some(sandbox)
  assert.ok(metrics.cpuCount >= 1 && metrics.cpuUsedPct >= 0)
  assert.ok(metrics.memTotal > 0 && metrics.memUsed > 0 && metrics.memUsed <= metrics.memTotal && metrics.memCache > 0)
  assert.ok(metrics.diskTotal > 0 && metrics.diskUsed > 0 && metrics.diskUsed <= metrics.diskTotal)
})

sharedTest('sbx metrics time range', async (sandbox) => {
  const start = new Date()
  const samples = await some(sandbox, () => ({ start, end: new Date() }))
  for (const { timestamp } of samples) assert.ok(timestamp >= start - 10_000 && timestamp <= Date.now() + 10_000)
  assert.deepEqual(await sandbox.getMetrics({ start: new Date(start - 3_600_000), end: new Date(start - 1_800_000) }), [])
})

sharedTest('samples are taken by themselves', async (sandbox) => {
  const samples = await until('two samples', async () => {
    const all = await sandbox.getMetrics()
    return all.length > 1 && all
  })
  // the first is taken when it is asked for, the others every five seconds, so that only later ones are surely apart
  assert.ok(samples[1].timestamp > samples[0].timestamp)
})

sharedTest('metrics of many sandboxes', async (sandbox) => {
  await some(sandbox)
  const { status, json } = await api('GET', `/sandboxes/metrics?sandbox_ids=${sandbox.sandboxId},i00000000000000000000`)
  assert.equal(status, 200)
  assert.deepEqual(Object.keys(json.sandboxes), [sandbox.sandboxId])
  assert.ok(json.sandboxes[sandbox.sandboxId].memTotal > 0)
  assert.equal((await api('GET', '/sandboxes/metrics')).status, 400)
})

sharedTest('a paused sandbox still has its metrics', async (sandbox) => {
  await some(sandbox)
  await sandbox.pause()
  assert.ok((await sandbox.getMetrics()).length > 0)
  await sandbox.connect()
})

sharedTest('a range that makes no sense is refused', async (sandbox) => {
  for (const query of ['start=2&end=1', 'start=x', 'end=-1']) {
    const { status, json } = await api('GET', `/sandboxes/${sandbox.sandboxId}/metrics?${query}`)
    assert.deepEqual([status, json.code], [400, 400], query)
  }
})
