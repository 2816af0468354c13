import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { api } from '../lib/http.mjs'
import { create } from '../lib/sandboxes.mjs'
import { Sandbox } from '../lib/sdk.mjs'

// Metadata that has all that an encoding can get wrong.
const group = `of this run ${randomUUID()} &=%25+?#/ü`
const metadata = { 'the group': group }
const made = []

before(async () => {
  for (let index = 0; index < 5; index++) made.push(await create({ metadata: { ...metadata, index: String(index) }, timeoutMs: 900_000 }))
  await made[1].pause()
  await made[3].pause()
})

const ids = (list) => list.map((info) => info.sandboxId)
const newestFirst = () => ids(made).toReversed()

async function all(pages) {
  const items = []
  while (pages.hasNext) items.push(...(await pages.nextItems()))
  return items
}

test('list sandboxes', async () => {
  const listed = await all(Sandbox.list())
  for (const { sandboxId } of made) assert.ok(ids(listed).includes(sandboxId))
  const info = listed.find((one) => one.sandboxId === made[0].sandboxId)
  assert.equal(info.templateId, 'base')
  assert.deepEqual(info.metadata, { ...metadata, index: '0' })
  assert.ok(info.cpuCount >= 1 && info.memoryMB >= 64)
  assert.ok(info.endAt > info.startedAt)
})

test('list sandboxes with filter', async () => {
  assert.deepEqual(ids(await all(Sandbox.list({ query: { metadata } }))), newestFirst())
  assert.deepEqual(ids(await all(Sandbox.list({ query: { metadata: { ...metadata, index: '2' } } }))), [made[2].sandboxId])
  assert.deepEqual(await all(Sandbox.list({ query: { metadata: { 'the group': group + ' ' } } })), [])
})

test('list sandboxes with state', async () => {
  const of = async (state) => ids(await all(Sandbox.list({ query: { metadata, state } })))
  assert.deepEqual(await of(['running']), [4, 2, 0].map((index) => made[index].sandboxId))
  assert.deepEqual(await of(['paused']), [3, 1].map((index) => made[index].sandboxId))
  assert.deepEqual(await of(['running', 'paused']), newestFirst())
})

test('paginate running and paused sandboxes', async () => {
  const pages = Sandbox.list({ query: { metadata }, limit: 2 })
  const sizes = []
  const listed = []
  while (pages.hasNext) {
    const page = await pages.nextItems()
    sizes.push(page.length)
    listed.push(...page)
  }
  assert.deepEqual(sizes, [2, 2, 1])
  assert.deepEqual(ids(listed), newestFirst())
  assert.equal(pages.nextToken, undefined)
})

test('paginate to an exact end', async () => {
  const pages = Sandbox.list({ query: { metadata }, limit: 5 })
  assert.equal((await pages.nextItems()).length, 5)
  assert.equal(pages.hasNext, false)
})

test('paginate with order', async () => {
  assert.deepEqual(ids(await all(Sandbox.list({ query: { metadata }, limit: 2, order: 'asc' }))), ids(made))
})

test('a page goes on behind its token, whatever was made since', async () => {
  const pages = Sandbox.list({ query: { metadata }, limit: 2 })
  const first = ids(await pages.nextItems())
  const later = await create({ metadata })
  const rest = ids(await all(pages))
  assert.deepEqual([...first, ...rest], newestFirst())
  await later.kill()
})

test('list sandboxes started after', async () => {
  const { startedAt } = await made[2].getInfo()
  const listed = ids(await all(Sandbox.list({ query: { metadata, startedAfter: startedAt } })))
  assert.deepEqual(listed, [4, 3, 2].map((index) => made[index].sandboxId)) // itself too
})

test('list sandboxes started after with order', async () => {
  const { startedAt } = await made[3].getInfo()
  assert.deepEqual(ids(await all(Sandbox.list({ query: { metadata, startedAfter: startedAt }, order: 'asc', limit: 1 }))), [3, 4].map((index) => made[index].sandboxId))
})

test('list sandboxes with template filter', async () => {
  assert.deepEqual(ids(await all(Sandbox.list({ query: { metadata, template: 'base' } }))), newestFirst())
  assert.deepEqual(await all(Sandbox.list({ query: { metadata, template: 'not-there' } })), [])
})

test('the headers of a list', async () => {
  const query = new URLSearchParams({ metadata: new URLSearchParams({ [encodeURIComponent('the group')]: encodeURIComponent(group) }).toString() })
  const page = await api('GET', `/v2/sandboxes?${query}&limit=2&state=running`)
  assert.equal(page.json.length, 2)
  assert.ok(page.headers.get('X-Next-Token'))
  assert.equal(page.headers.get('X-Total-Running'), '3')
  const whole = await api('GET', `/v2/sandboxes?${query}&limit=100`)
  assert.equal(whole.headers.has('X-Next-Token'), false)
})

test('GET /sandboxes lists those that run', async () => {
  const query = new URLSearchParams({ metadata: new URLSearchParams({ [encodeURIComponent('the group')]: encodeURIComponent(group) }).toString() })
  const { json } = await api('GET', `/sandboxes?${query}`)
  assert.deepEqual(json.map((info) => info.sandboxID), [4, 2, 0].map((index) => made[index].sandboxId))
})

test('a list that makes no sense is refused', async () => {
  for (const query of ['limit=0', 'limit=101', 'limit=x', 'state=dead', 'order=up', 'nextToken=none', 'startedAfter=yesterday', 'metadata=x']) {
    const { status, json } = await api('GET', `/v2/sandboxes?${query}`)
    assert.deepEqual([status, json.code], [400, 400], query)
  }
})
