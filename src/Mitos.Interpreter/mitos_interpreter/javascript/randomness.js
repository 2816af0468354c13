// Numbers that no two forks share. V8's own generator and OpenSSL's live in this process's memory, which a fork copies, and
// neither can be seeded again from here: what programs call is replaced by what draws from the system, or is seeded by it.
'use strict'
const crypto = require('crypto')
const fs = require('fs')

const urandom = fs.openSync('/dev/urandom', 'r')

function fill(view) {
  const bytes = Buffer.from(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength)
  for (let at = 0; at < bytes.length;) at += fs.readSync(urandom, bytes, at, Math.min(bytes.length - at, 1 << 20))
  return view
}

const bytes = count => fill(Buffer.alloc(count))

// sfc32: fast, small, and good enough for what Math.random promises.
let state = new Uint32Array(4)
function random32() {
  const [a, b, c, d] = state
  const sum = (a + b + d) | 0
  state[3] = d + 1
  state[0] = b ^ (b >>> 9)
  state[1] = c + (c << 3)
  state[2] = ((c << 21) | (c >>> 11)) + sum
  return sum >>> 0
}

const random = () => (random32() * 0x200000 + (random32() >>> 11)) / 0x20000000000000

function later(done, make) {
  if (typeof done !== 'function') return make()
  process.nextTick(() => {
    let value
    try { value = make() } catch (error) { return done(error) }
    done(null, value)
  })
}

function part(buffer, offset = 0, size = undefined) {
  const view = Buffer.from(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength)
  const length = size ?? view.length - offset
  if (offset < 0 || length < 0 || offset + length > view.length) throw new RangeError(`The range ${offset} to ${offset + length} is not in a buffer of ${view.length} bytes`)
  fill(view.subarray(offset, offset + length))
  return buffer
}

function randomInt(from, to, done) {
  if (to === undefined || typeof to === 'function') [from, to, done] = [0, from, to]
  const range = to - from
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || range <= 0 || range > 2 ** 48) throw new RangeError(`There is no whole number from ${from} up to ${to}, or their range is beyond 2^48`)
  return later(done, () => {
    const limit = 2 ** 48 - (2 ** 48 % range)
    for (;;) {
      const drawn = bytes(6).readUIntBE(0, 6)
      if (drawn < limit) return from + (drawn % range)
    }
  })
}

function randomUUID() {
  const drawn = bytes(16)
  drawn[6] = (drawn[6] & 0x0f) | 0x40
  drawn[8] = (drawn[8] & 0x3f) | 0x80
  return drawn.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function randomBytes(size, done) {
  if (!Number.isSafeInteger(size) || size < 0 || size > 0x7fffffff) throw new RangeError(`${size} is not a number of bytes from 0 to 2147483647`)
  return later(done, () => bytes(size))
}

function randomFill(buffer, offset, size, done) {
  if (typeof offset === 'function') [offset, done] = [undefined, offset]
  else if (typeof size === 'function') [size, done] = [undefined, size]
  later(done, () => part(buffer, offset, size))
}

const randomness = {
  reseed() { fill(state) },

  install(global) {
    this.reseed()
    global.Math.random = random
    Object.assign(crypto, { randomBytes, randomInt, randomUUID, randomFill, pseudoRandomBytes: randomBytes, randomFillSync: part })
    const web = crypto.webcrypto
    for (const [name, value] of Object.entries({ getRandomValues: fill, randomUUID })) Object.defineProperty(web, name, { value, writable: true, configurable: true })
    Object.defineProperty(global, 'crypto', { value: web, writable: true, configurable: true, enumerable: true })
    require('module').syncBuiltinESMExports()
  },
}

module.exports = { randomness }
