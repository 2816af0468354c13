"""A bash that lives on from cell to cell."""

import os
import shlex
import struct

from .line_kernel import LineKernel
from .paths import HERE


class BashKernel(LineKernel):
    WARM = "echo $(ls -d / | cat); /bin/true"

    def __init__(self, cwd, note):
        super().__init__(cwd, note)
        self._machine = {"id": None, "env": {}}

    def argv(self, cells, lines):
        return ["/bin/bash", "--noprofile", "--norc", os.path.join(HERE, "kernel.bash"), str(cells), str(lines)]

    def write_cell(self, run, machine):
        before = []
        if machine["id"] != self._machine["id"]:
            before.append(f"RANDOM={struct.unpack('H', os.urandom(2))[0]}")
        old = self._machine["env"]
        before += [f"unset -v {name}" for name in old.keys() - machine["env"].keys()]
        before += [f"export {name}={shlex.quote(value)}" for name, value in machine["env"].items() if old.get(name) != value]
        self._machine = machine
        after = []
        if run.env:
            names = " ".join(map(shlex.quote, run.env))
            before.append(f"__mitos_saved=$(declare -p {names} 2>/dev/null || :)")
            before += [f"export {shlex.quote(name)}={shlex.quote(value)}" for name, value in run.env.items()]
            after = [f"unset -v {names}", 'eval "$__mitos_saved"', "unset -v __mitos_saved"]
        for name, text in (("before", "\n".join(before)), ("cell", run.code), ("after", "\n".join(after))):
            with open(os.path.join(self._folder, name), "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text + "\n")

    def on_line(self, line):
        if line not in ("ready", "0") and self._run:
            self._run.error("ExitCode", line, f"The last command ended with {line}.")
        self.finish()
