// E2B's own command line, told of the server by its environment only. What it asks of the control plane is checked against E2B's
// description (lib/conformance.mjs), as that of the packages.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { api } from '../lib/http.mjs'
import { until } from '../lib/wait.mjs'

const program = fileURLToPath(new URL('../node_modules/@e2b/cli/dist/index.js', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'e2b-cli-'))
const environment = { ...process.env, HOME: home, NO_COLOR: '1', NO_UPDATE_NOTIFIER: '1' }
const made = new Set()

after(async () => {
  for (const id of made) await api('DELETE', `/sandboxes/${id}`)
  rmSync(home, { recursive: true })
})

/** Runs it and returns what it printed and its exit code. */
async function run(args, input = '', env = environment) {
  const child = spawn(process.execPath, [program, ...args], { env })
  child.stdin.end(input)
  const [output, errors] = await Promise.all([child.stdout, child.stderr].map(async (stream) => Buffer.concat(await stream.toArray()).toString()))
  return { code: child.exitCode ?? (await new Promise((resolve) => child.on('close', resolve))), output, errors }
}

/** Its output, when it was content. */
async function e2b(...args) {
  const { code, output, errors } = await run(args)
  assert.equal(code, 0, `e2b ${args.join(' ')}: ${output}${errors}`)
  return output
}

async function create(...options) {
  const id = (await e2b('sandbox', 'create', 'base', '--detach', ...options)).trim()
  made.add(id)
  return id
}

const listed = async (...options) => JSON.parse(await e2b('sandbox', 'list', '--format', 'json', ...options))
let shared
const sharedTest = (title, check) => test(title, async () => check(await (shared ??= create('--timeout', '600'))))

sharedTest('sandbox create --detach, list and info', async (id) => {
  assert.match(id, /^i[a-z0-9]+$/)
  const one = (await listed()).find((sandbox) => sandbox.sandboxId === id)
  assert.deepEqual([one.templateId, one.state, one.memoryMB], ['base', 'running', 512])
  assert.equal(Math.round((Date.parse(one.endAt) - Date.parse(one.startedAt)) / 1000), 600)
  assert.deepEqual(await listed('--metadata', 'a=b'), [])
  assert.match(await e2b('sandbox', 'list', '--template', 'base', '--order', 'asc', '--limit', '100'), new RegExp(`${id} +base +base .*Running`))
  assert.match(await e2b('sandbox', 'info', id), new RegExp(`Sandbox ID: ${id}[^]*State: running`))
  assert.equal(JSON.parse(await e2b('sandbox', 'info', id, '--format', 'json')).sandboxId, id)
})

sharedTest('sandbox exec passes output, input and exit codes on', async (id) => {
  const failed = await run(['sandbox', 'exec', id, 'echo out; echo err >&2; exit 3'])
  assert.deepEqual([failed.code, failed.output], [3, 'out\n'])
  assert.match(failed.errors, /^err\n/)
  assert.equal(await e2b('sandbox', 'exec', '--user', 'root', '--cwd', '/tmp', '--env', 'A=of ours', id, 'whoami; pwd; echo $A'), 'root\n/tmp\nof ours\n')
  assert.equal((await run(['sandbox', 'exec', id, 'tr a-z A-Z'], 'said\n'.repeat(1000))).output, 'SAID\n'.repeat(1000))
  const pid = (await run(['sandbox', 'exec', '--background', id, 'sleep 3600'])).errors.trim()
  assert.equal(await e2b('sandbox', 'exec', id, `ps -o comm= -p ${pid} --ppid ${pid} | grep sleep; kill ${pid}`), 'sleep\n')
})

sharedTest('sandbox connect is a terminal in it', async (id) => {
  // `script` gives it a terminal of the host, which has no size by itself.
  const command = `stty rows 24 cols 80; exec '${process.execPath}' '${program}' sandbox connect --env A=here ${id}`
  const terminal = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], { env: { ...environment, TERM: 'xterm' } })
  let shown = ''
  terminal.stdout.on('data', (data) => { shown += data })
  const ended = new Promise((resolve) => terminal.on('close', resolve))
  await until('a prompt', () => shown.includes('$ '))
  terminal.stdin.write('echo "$A is $((6 * 7))"; tty\n')
  await until('its answer', () => /here is 42\s+\/dev\/pts\/\d+/.test(shown))
  terminal.stdin.write('exit\n')
  assert.equal(await ended, 0, shown)
})

sharedTest('sandbox logs and metrics', async (id) => {
  await e2b('sandbox', 'exec', id, 'echo logged')
  assert.match(await e2b('sandbox', 'logs', id), /INFO .*process \d+ started: .*echo logged/)
  const lines = (await e2b('sandbox', 'logs', '--format', 'json', '--level', 'debug', id)).split('\n').filter((line) => line.startsWith('{')).map(JSON.parse)
  assert.ok(lines.some(({ logger, message, pid }) => logger === 'process' && /ended: exit status 0/.test(message) && Number(pid) > 0))
  assert.doesNotMatch(await e2b('sandbox', 'logs', '--level', 'warn', id), /echo logged/)
  await until('a sample', async () => /Memory: +\d+ \/ \d+ +MiB/.test(await e2b('sandbox', 'metrics', id)))
  const [sample] = (await e2b('sandbox', 'metrics', '--format', 'json', id)).split('\n').filter((line) => line.startsWith('{')).map(JSON.parse)
  assert.ok(sample.memUsed > 0 && sample.memUsed < sample.memTotal && sample.cpuCount === 1)
})

test('sandbox pause, resume and kill', async () => {
  const id = await create('--lifecycle.ontimeout', 'pause', '--lifecycle.autoresume')
  assert.deepEqual(JSON.parse(await e2b('sandbox', 'info', id, '--format', 'json')).lifecycle, { onTimeout: 'pause', autoResume: true })
  await e2b('sandbox', 'exec', id, 'echo kept > kept')
  assert.match(await e2b('sandbox', 'pause', id), /has been paused/)
  assert.ok((await listed('--state', 'paused')).some((sandbox) => sandbox.sandboxId === id))
  assert.ok(!(await listed()).some((sandbox) => sandbox.sandboxId === id))
  assert.match(await e2b('sandbox', 'pause', id), /paused/)
  assert.match(await e2b('sandbox', 'resume', id), /has been resumed/)
  assert.equal(await e2b('sandbox', 'exec', id, 'cat kept'), 'kept\n')
  assert.match(await e2b('sandbox', 'kill', id), /has been killed/)
  assert.match((await run(['sandbox', 'kill', id])).errors, /wasn't found/)
  assert.equal((await run(['sandbox', 'exec', id, 'true'])).code, 1)
})

sharedTest('sandbox snapshot create, list and delete', async (id) => {
  const snapshot = /snapshot (\w+) from/.exec(await e2b('sandbox', 'snapshot', 'create', id))[1]
  assert.match(await e2b('sandbox', 'snapshot', 'list', id), new RegExp(snapshot))
  const child = (await e2b('sandbox', 'create', snapshot, '--detach')).trim()
  made.add(child)
  assert.equal(await e2b('sandbox', 'exec', child, 'echo on'), 'on\n')
  await e2b('sandbox', 'kill', child)
  await e2b('sandbox', 'snapshot', 'delete', snapshot)
  assert.doesNotMatch(await e2b('sandbox', 'snapshot', 'list', id), new RegExp(snapshot))
})

test('template list, unpublish and publish', async () => {
  const base = async () => JSON.parse(await e2b('template', 'list', '--format', 'json')).find((template) => template.templateID === 'base')
  assert.deepEqual([(await base()).public, (await base()).memoryMB], [true, 512])
  await e2b('template', 'unpublish', 'base', '--yes')
  assert.equal((await base()).public, false)
  await e2b('template', 'publish', 'base', '--yes')
  assert.equal((await base()).public, true)
})

test('a key that is none is refused', async () => {
  const { code, output, errors } = await run(['sandbox', 'list'], '', { ...environment, E2B_API_KEY: `e2b_${'0'.repeat(40)}` })
  assert.equal(code, 1)
  assert.match(output + errors, /401|unauthorized|api key/i)
})
