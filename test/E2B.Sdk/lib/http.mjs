// What the packages have no call for.
import http from 'node:http'
import './conformance.mjs'

const { E2B_API_URL, E2B_SANDBOX_URL, E2B_API_KEY } = process.env

/** Asks the control plane. */
export async function api(method, path, body, headers = {}) {
  const answer = await fetch(E2B_API_URL + path, {
    method,
    headers: { 'X-API-KEY': E2B_API_KEY, 'Content-Type': 'application/json', ...headers },
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, text, json: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : undefined }
}

/** Asks a port of a sandbox, which plain mode names in headers. */
export const ask = (sandboxId, port, path = '/', options = {}) =>
  fetch(E2B_SANDBOX_URL + path, { ...options, headers: { 'E2b-Sandbox-Id': sandboxId, 'E2b-Sandbox-Port': String(port), ...options.headers } })

/** As its agent, which wants the token. */
export const askAgent = (sandbox, path, options = {}) =>
  ask(sandbox.sandboxId, 49983, path, { ...options, headers: { 'X-Access-Token': sandbox.envdAccessToken, ...options.headers } })

/** Asks our own API as the local user, over the daemon's socket. */
export function askLocally(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath: `${process.env.MITOS_RUN}/mitosd.sock`, method, path, headers: { 'content-type': 'application/json' } }, async (answer) => {
      const text = Buffer.concat(await answer.toArray()).toString()
      resolve({ status: answer.statusCode, json: text ? JSON.parse(text) : undefined })
    })
    request.on('error', reject)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
