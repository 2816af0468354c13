import assert from 'node:assert/strict'
import { test } from 'node:test'
import { api } from '../lib/http.mjs'
import { sdk } from '../lib/sdk.mjs'

test('check if base template exists', async () => {
  assert.equal(await sdk.Template.exists('base'), true)
})

test('check non existing template', async () => {
  assert.equal(await sdk.Template.exists('not-there-at-all'), false)
})

test('templates are listed', async () => {
  for (const path of ['/templates', '/v2/templates']) {
    const { status, json } = await api('GET', path)
    assert.equal(status, 200)
    const base = json.find((template) => template.names.includes('base'))
    assert.equal(base.buildStatus, 'ready')
    assert.ok(base.cpuCount >= 1 && base.memoryMB >= 64 && base.diskSizeMB > 0)
  }
})

test('a template is shown with its builds', async () => {
  const { status, json } = await api('GET', '/templates/base')
  assert.equal(status, 200)
  assert.equal(json.builds.length, 1)
  assert.equal(json.builds[0].status, 'ready')
  assert.deepEqual((await api('GET', '/templates/not-there')).json.code, 404)
})

test('the visibility of a template is set', async () => {
  const visibility = async () => (await api('GET', '/templates/base')).json.public
  const before = await visibility()
  for (const wanted of [!before, before]) {
    const { status, json } = await api('PATCH', '/v2/templates/base', { public: wanted })
    assert.deepEqual([status, json], [200, { names: ['base'] }])
    assert.equal(await visibility(), wanted)
  }
  assert.equal((await api('PATCH', '/v2/templates/not-there', { public: true })).status, 404)
  assert.equal((await api('PATCH', '/v2/templates/base', { public: 'yes' })).status, 400)
})

test('a template that is not there cannot be deleted', async () => {
  const { status, json } = await api('DELETE', '/templates/not-there')
  assert.deepEqual([status, json.code], [404, 404])
})
