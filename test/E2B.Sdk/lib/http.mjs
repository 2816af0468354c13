// What the packages have no call for.
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
