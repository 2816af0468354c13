import assert from 'node:assert/strict'
import { sandboxTest } from '../lib/sandboxes.mjs'
import { until } from '../lib/wait.mjs'

sandboxTest('sbx metrics', async (sandbox) => {
  const [metrics] = await until('a sample', async () => {
    const samples = await sandbox.getMetrics()
    return samples.length > 0 && samples
  })
  assert.ok(metrics.cpuCount >= 1)
  assert.ok(metrics.memTotal > 0 && metrics.memUsed > 0 && metrics.memUsed <= metrics.memTotal)
  assert.ok(metrics.diskTotal > 0 && metrics.diskUsed <= metrics.diskTotal)
})
