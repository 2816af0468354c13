// What our forks do beyond E2B's: section 12 of their contract, the part that is behaviour.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ask, api, askAgent, askLocally } from '../lib/http.mjs'
import { create, keep, remove, sandboxTest } from '../lib/sandboxes.mjs'
import { Sandbox } from '../lib/sdk.mjs'
import { until } from '../lib/wait.mjs'

const print = async (sandbox, command) => (await sandbox.commands.run(command)).stdout.trim()

/** Forks that all came to be. */
async function forks(source, count) {
  const made = await source.fork({ count, timeoutMs: 600_000 })
  for (const fork of made) {
    if (fork instanceof Error) throw fork
    keep(fork)
  }
  assert.equal(made.length, count)
  return made
}

/** Bytes that sandboxes have for themselves, with their VMMs. */
async function memoryOf(ids) {
  const { json } = await askLocally('GET', '/v1/sandboxes?memory=true')
  const sizes = json.filter(({ id }) => ids.includes(id)).map(({ memory }) => memory.privateBytes + memory.vmmBytes)
  assert.equal(sizes.length, ids.length)
  return sizes.reduce((sum, bytes) => sum + bytes)
}

const hostMemory = () => -1024 * Number(/^MemAvailable: +(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))[1])

const mebibytes = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`

sandboxTest('O-1: what runs in the source stands still for a moment only, fork after fork', async (source, context) => {
  // Counts, and measures the longest time between two counts.
  await source.files.write('count.py', `import os, time
n, last, gap = 0, time.monotonic(), 0
while True:
    time.sleep(0.01)
    n, now = n + 1, time.monotonic()
    gap, last = max(gap, now - last), now
    if n % 10 == 0:
        with open('count.new', 'w') as f: f.write(f'{n} {gap * 1000:.1f}')
        os.replace('count.new', 'count')
`)
  const { pid } = await source.commands.run('python3 count.py', { background: true, timeoutMs: 0 })
  const counted = async (sandbox) => Number((await sandbox.files.read('count')).split(' ')[0])
  await until('the first counts', () => source.files.exists('count'))
  for (let step = 0; step < 10; step++) {
    const before = await counted(source)
    const [fork] = await forks(source, 1)
    await until('the source counts on', async () => (await counted(source)) > before)
    await until('its child counts on from there', async () => (await counted(fork)) > before)
    await remove(fork)
  }
  assert.ok((await source.commands.list()).some((info) => info.pid === pid))
  context.diagnostic(`the longest time between two counts was ${(await source.files.read('count')).split(' ')[1]} ms`)
})

test('O-2, O-4: a hundred children of one instant all answer, and share a working set of 1 GiB', async (context) => {
  const { status, json } = await askLocally('POST', '/v1/sandboxes', { memoryMiB: 1536 }) // theirs has no such field
  assert.equal(status, 201)
  const source = await Sandbox.connect(keep(json.id), { timeoutMs: 600_000 })
  await source.commands.run(`mount -o remount,size=90% /dev/shm && python3 -c "
import os
block = os.urandom(1 << 20)
with open('/dev/shm/set', 'wb', 0) as file:
    for n in range(1 << 10): file.write(n.to_bytes(8, 'big') + block[8:])
"`, { user: 'root', timeoutMs: 0 })
  const [held, before] = [await memoryOf([source.sandboxId]), hostMemory()]
  assert.ok(held > 2 ** 30, `${held} bytes`)
  const made = await forks(source, 100)
  const own = () => memoryOf(made.map((fork) => fork.sandboxId))
  const [idle, host] = [await own(), hostMemory() - before]
  const answers = []
  for (let from = 0; from < made.length; from += 10) // a hundred shells that begin at once take long where guests are emulated
    answers.push(...(await Promise.all(made.slice(from, from + 10).map((fork) => print(fork, 'echo $E2B_SANDBOX_ID')))))
  assert.deepEqual(answers, made.map((fork) => fork.sandboxId))
  const used = await own()
  // The host's figure has the image in it that the fork made of the source, once, and what else the host did meanwhile.
  context.diagnostic(`a hundred children have ${mebibytes(idle)} of their own (the host says ${mebibytes(host)}), and ${mebibytes(used)} when each has run a command`)
  assert.ok(idle < 2 * 2 ** 30, `${idle} bytes`) // most of it is that of a VMM that emulates
  assert.ok(used < 6 * 2 ** 30, `${used} bytes`)
  await Promise.all(made.map(remove))
  await remove(source)
})

sandboxTest('O-3: the variable of a Python process is in every child, and diverges', async (source) => {
  const { pid } = await source.commands.run('python3 -i -u -q -c "x = 42"', { background: true, stdin: true, timeoutMs: 0 })
  const family = [source, ...(await forks(source, 2))]
  const values = await Promise.all(family.map(async (sandbox, index) => {
    const python = await sandbox.commands.connect(pid)
    await python.sendStdin(`x += ${index}; print("x is", x)\n`)
    await until('its answer', () => /x is \d+/.test(python.stdout))
    await python.disconnect()
    return Number(/x is (\d+)/.exec(python.stdout)[1])
  }))
  assert.deepEqual(values, [42, 43, 44])
})

sandboxTest('O-5: open commands and terminals of the source go on across a fork', async (source) => {
  const command = await source.commands.run('while read line; do echo "heard $line"; done', { background: true, stdin: true, timeoutMs: 0 })
  let shown = ''
  const terminal = await source.pty.create({ cols: 80, rows: 24, onData: (data) => { shown += Buffer.from(data).toString() }, timeoutMs: 0 })
  await command.sendStdin('before\n')
  await until('the line before', () => command.stdout.includes('heard before'))
  await forks(source, 2)
  await command.sendStdin('after\n')
  await source.pty.sendInput(terminal.pid, Buffer.from('echo "of pid <$$>"\n'))
  await until('the line after, on the same stream', () => command.stdout === 'heard before\nheard after\n')
  await until('the terminal, on the same stream', () => shown.includes(`of pid <${terminal.pid}>`))
  await terminal.kill()
  await command.kill()
})

sandboxTest('O-6: forks of forks diverge at each level, and outlive their ancestors', async (source) => {
  const levels = [source]
  for (let depth = 1; depth <= 10; depth++) {
    const [next] = await forks(levels.at(-1), 1)
    await next.commands.run(`echo ${depth} >> levels.txt`)
    levels.push(next)
  }
  for (const at of [0, 2, 4, 7, 9]) await remove(levels[at])
  for (const at of [1, 3, 5, 6, 8, 10]) assert.equal(await print(levels[at], 'paste -sd, levels.txt'), Array.from({ length: at }, (_, index) => index + 1).join())
  const [last] = await forks(levels[10], 1)
  assert.equal(await print(last, 'paste -sd, levels.txt'), '1,2,3,4,5,6,7,8,9,10')
})

sandboxTest('O-7: a paused sandbox is forked, and stays paused', async (source) => {
  await source.files.write('kept.txt', 'kept')
  await source.pause()
  const made = await forks(source, 2)
  for (const fork of made) assert.equal(await fork.files.read('kept.txt'), 'kept')
  assert.equal((await source.getInfo()).state, 'paused')
  assert.equal((await made[0].getInfo()).state, 'running')
})

sandboxTest('O-7: a snapshot is forked, by its id and by its name', async (source) => {
  const { pid } = await source.commands.run('sleep 3600', { background: true, timeoutMs: 0 })
  const name = `o7-${source.sandboxId}`
  const { snapshotId } = await source.createSnapshot({ name })
  for (const of of [snapshotId, name]) {
    const [fork] = await Sandbox.fork(of)
    assert.ok((await keep(fork).commands.list()).some((info) => info.pid === pid)) // memory too
    await remove(fork)
  }
  const made = await create({}, name)
  assert.ok((await made.commands.list()).some((info) => info.pid === pid))
  await remove(made)
  await Sandbox.deleteSnapshot(snapshotId)
})

sandboxTest('O-8: children have randomness, clock, name and token of their own', async (source) => {
  const made = await forks(source, 3)
  const family = [source, ...made]
  const random = await Promise.all(family.map((one) => print(one, 'head -c 16 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/uuid')))
  assert.equal(new Set(random).size, family.length)
  for (const one of family) assert.ok(Math.abs(Number(await print(one, 'date +%s')) - Date.now() / 1000) < 30)
  assert.equal(new Set(await Promise.all(family.map((one) => print(one, 'hostname; cat /etc/machine-id')))).size, family.length)
  const foreign = await ask(made[0].sandboxId, 49983, '/envs', { headers: { 'X-Access-Token': source.envdAccessToken } })
  assert.equal(foreign.status, 401)
  assert.equal((await askAgent(made[0], '/envs')).status, 200)
})

sandboxTest('O-9: a fork amid heavy writes leaves files, databases and the file system sound', async (source) => {
  await source.files.write('write.py', `import os, sqlite3
base = sqlite3.connect('base.db', isolation_level=None)
base.execute('pragma journal_mode=wal')
base.execute('create table t (n integer primary key, text text)')
print('ready', flush=True)
with open('log', 'wb', 0) as log:
    for n in range(10**9):
        base.execute('insert into t values (?, ?)', (n, 'x' * 500))
        log.write(b'%015d\\n' % n)
`)
  // Makes, flushes, renames and deletes files and directories.
  await source.files.write('churn.py', `import os, random, shutil, sys
os.mkdir(sys.argv[1])
os.chdir(sys.argv[1])
for n in range(10**9):
    with open('new', 'wb') as file:
        file.write(os.urandom(random.randrange(1, 30000)))
        if n % 3 == 0:
            file.flush()
            os.fsync(file.fileno())
    os.makedirs(f'd{n % 40}', exist_ok=True)
    os.rename('new', f'd{n % 40}/{n}')
    if n % 7 == 0:
        os.rename(f'd{n % 40}', 'going')
        shutil.rmtree('going')
    if n == 100: print('ready', flush=True)
`)
  const writers = await Promise.all(['write.py', 'churn.py one', 'churn.py two'].map((program) => source.commands.run(`python3 ${program}`, { background: true, timeoutMs: 0 })))
  await until('all three write', () => writers.every((writer) => writer.stdout.includes('ready')))
  const made = await forks(source, 2)
  await Promise.all([source, ...made].map(async (one) => {
    assert.equal(await print(one, `pkill -f '[w]rite.py'; pkill -f '[c]hurn.py'; sleep 1; python3 -c "
import sqlite3
base = sqlite3.connect('base.db')
count, last = base.execute('select count(*), max(n) from t').fetchone()
lines = open('log').read().split('\\n')
print(base.execute('pragma integrity_check').fetchone()[0], count == last + 1, [int(l) for l in lines[:-1]] == list(range(len(lines) - 1)), 0 <= count - (len(lines) - 1) <= 1)
"`), 'ok True True True')
    // All that it knows in memory to the disk, which is then read anew. The disk alone, as it was captured, is checked by Mitos.MachineTests.DiskTests.
    const checked = await one.commands.run('echo u > /proc/sysrq-trigger; until grep -q "^/dev/vda / ext4 ro" /proc/mounts; do sleep 0.1; done; echo 3 > /proc/sys/vm/drop_caches; e2fsck -fn /dev/vda', { user: 'root', timeoutMs: 0 }).catch((error) => error)
    assert.equal(checked.exitCode, 0, `${checked.stdout}${checked.stderr}`)
  }))
  await Promise.all(writers.map((writer) => writer.disconnect().catch(() => {})))
})

sandboxTest('O-10: a child that fails is an error in its place, and harms neither its source nor its siblings', async (source) => {
  await source.commands.run('mkdir -p /etc/mitos/fork.d; printf \'#!/bin/sh\\n[ "$MITOS_FORK_INDEX" != 1 ]\\n\' > /etc/mitos/fork.d/some; chmod 755 /etc/mitos/fork.d/some', { user: 'root' })
  const stream = await source.commands.run('while read line; do echo "heard $line"; done', { background: true, stdin: true, timeoutMs: 0 })
  const [first, failed, third] = await source.fork({ count: 3, timeoutMs: 600_000 })
  assert.ok(failed instanceof Error, 'the child whose hook fails')
  for (const fork of [first, third]) assert.equal(await print(keep(fork), 'echo on'), 'on')
  await assert.rejects(source.fork({ count: 101 }), /Count cannot be greater than 100/)
  await stream.sendStdin('after\n')
  await until('the line after, on the same stream', () => stream.stdout === 'heard after\n')
  await stream.kill()
  const listed = await Sandbox.list().nextItems()
  assert.deepEqual([source, first, third].map(({ sandboxId }) => listed.filter((info) => info.sandboxId === sandboxId).length), [1, 1, 1])
  await Promise.all([first, third].map(remove))
})

sandboxTest('O-11: killing the source leaves its children running, and the other way round', async (source) => {
  const [one, other] = await forks(source, 2)
  await remove(one)
  assert.equal(await print(source, 'echo on'), 'on')
  await remove(source)
  assert.equal(await print(other, 'echo on'), 'on')
})

test('O-13: forks are listed with metadata, times and lineage of their own', async () => {
  const metadata = { family: `o13-${Date.now()}` }
  const source = await create({ metadata, timeoutMs: 600_000 })
  const [fork] = await source.fork({ timeoutMs: 60_000 })
  keep(fork)
  const listed = await Sandbox.list({ query: { metadata } }).nextItems()
  assert.deepEqual(listed.map((info) => info.sandboxId), [fork.sandboxId, source.sandboxId])
  assert.ok(listed[0].startedAt > listed[1].startedAt)
  assert.equal(Math.round((listed[0].endAt - listed[0].startedAt) / 1000), 60)
  const { json } = await api('GET', `/sandboxes/${fork.sandboxId}`)
  assert.equal(json.forkedFrom, source.sandboxId)
  assert.ok(json.forkPoint)
  await remove(fork)
  await remove(source)
})

sandboxTest('O-14: concurrent forks of one source are all served', async (source) => {
  const made = await Promise.all(Array.from({ length: 20 }, () => source.fork({ timeoutMs: 600_000 })))
  const ids = made.map(([fork]) => {
    if (fork instanceof Error) throw fork
    return keep(fork).sandboxId
  })
  assert.equal(new Set(ids).size, 20)
  await Promise.all(made.map(([fork]) => remove(fork)))
})
