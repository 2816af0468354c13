// Between the packages and the control plane: every answer is checked against E2B's own description of its API, and one that differs
// fails the call that got it.
import { readFileSync } from 'node:fs'
import http from 'node:http'
import Ajv from 'ajv'
import addFormats from 'ajv-formats'

const target = new URL(process.env.E2B_API_URL)
// spec/e2b-openapi.yml, which `prepare` turned into JSON.
const description = JSON.parse(readFileSync(new URL('../node_modules/.e2b-openapi.json', import.meta.url)))
const ajv = addFormats(new Ajv({ strict: false, validateSchema: false, allErrors: true }))
ajv.addSchema({ $id: 'e2b', ...description })

// Literal paths before those with parameters.
const routes = Object.keys(description.paths)
  .map((path) => ({ path, pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }))
  .sort((one, other) => one.path.split('{').length - other.path.split('{').length)

/** What is wrong with an answer; undefined: nothing. */
function judge(method, url, status, headers, text) {
  const { pathname } = new URL(url, target)
  const path = routes.find((route) => route.pattern.test(pathname))?.path
  const operation = path && description.paths[path][method.toLowerCase()]
  if (status >= 400) return judgeError(status, headers, text)
  if (!operation) return // ours beyond theirs
  const answer = operation.responses[status]
  if (!answer) return `status ${status} is not described`
  if (!answer.content) return text.length > 0 ? 'a body where none is described' : undefined
  const at = `e2b#/paths/${escape(path)}/${method.toLowerCase()}/responses/${status}/content/application~1json/schema`
  return check(ajv.getSchema(at) ?? ajv.compile({ $ref: at }), text)
}

function judgeError(status, headers, text) {
  if (!headers['content-type']?.startsWith('application/json')) return `an error of type ${headers['content-type']}`
  const wrong = check(ajv.compile({ $ref: 'e2b#/components/schemas/Error' }), text)
  return wrong ?? (JSON.parse(text).code === status ? undefined : `code ${JSON.parse(text).code} with status ${status}`)
}

function check(validate, text) {
  try {
    return validate(JSON.parse(text)) ? undefined : ajv.errorsText(validate.errors)
  } catch (e) {
    return `${e.message} in ${text.slice(0, 200)}`
  }
}

const escape = (path) => encodeURIComponent(path.replaceAll('~', '~0').replaceAll('/', '~1'))

const server = http.createServer((request, answer) => {
  const forward = http.request({ host: target.hostname, port: target.port, method: request.method, path: request.url, headers: request.headers }, async (got) => {
    try {
      const body = Buffer.concat(await got.toArray())
      const wrong = judge(request.method, request.url, got.statusCode, got.headers, body.toString())
      if (wrong) {
        const message = `${request.method} ${request.url} answered ${got.statusCode}, and not as E2B describes it: ${wrong}`
        answer.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify({ code: 500, message }))
        return
      }
      answer.writeHead(got.statusCode, got.headers).end(body)
    } catch {
      answer.destroy()
    }
  })
  forward.on('error', () => answer.destroy())
  answer.on('close', () => forward.destroy())
  request.pipe(forward)
})
server.keepAliveTimeout = 60_000
server.on('connection', (socket) => socket.unref()) // who asks waits for the answer: one that nobody uses keeps no file from ending
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
server.unref()
process.env.E2B_API_URL = `http://127.0.0.1:${server.address().port}`
