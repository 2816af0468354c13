// The variables of the machine, and those that are set for one cell.
'use strict'

class Environment {
  constructor(variables) {
    this.variables = variables
    this.machine = { id: null, env: {} }
    this.saved = {}
  }

  /** Returns whether this is another machine than at the cell before. */
  enter(machine, env) {
    const before = this.machine
    for (const [name, value] of Object.entries(before.env)) {
      if (!(name in machine.env) && this.variables[name] === value) delete this.variables[name]
    }
    // What code has set since stays: only what is new to the machine is taken.
    for (const [name, value] of Object.entries(machine.env)) {
      if (before.env[name] !== value) this.variables[name] = value
    }
    this.machine = machine
    this.saved = {}
    for (const [name, value] of Object.entries(env)) {
      this.saved[name] = this.variables[name]
      this.variables[name] = value
    }
    return before.id !== machine.id
  }

  leave() {
    for (const [name, value] of Object.entries(this.saved)) {
      if (value === undefined) delete this.variables[name]
      else this.variables[name] = value
    }
    this.saved = {}
  }
}

module.exports = { Environment }
