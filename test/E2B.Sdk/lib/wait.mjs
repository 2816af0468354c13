// Waiting for what comes in its own time; no test depends on how long that is.
import { setTimeout as sleep } from 'node:timers/promises'

/** Asks again and again until the answer is truthy, and returns it. */
export async function until(what, ask, limitMs = 60_000) {
  const limit = Date.now() + limitMs
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > limit) throw new Error(`waited ${limitMs / 1000} s for: ${what}`)
    await sleep(100)
  }
}
