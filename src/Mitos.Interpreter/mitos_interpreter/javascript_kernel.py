"""A node that lives on from cell to cell."""

import json
import os

from .line_kernel import LineKernel
from .paths import HERE


class JavaScriptKernel(LineKernel):
    WARM = "console.log({ warm: await Promise.resolve(true) }); throw new Error('warm')"

    def argv(self, cells, lines):
        return ["node", "--no-warnings", "--experimental-vm-modules", os.path.join(HERE, "javascript", "kernel.js"), str(cells), str(lines)]

    def write_cell(self, run, machine):
        with open(os.path.join(self._folder, "cell.json"), "w", encoding="utf-8", errors="replace") as file:
            json.dump({"code": run.code, "env": run.env, "machine": machine, "counts": run.counts}, file)

    def on_line(self, line):
        try:
            event = json.loads(line)
        except RecursionError:
            self.emit({"type": "error", "name": "RecursionError", "value": "A result is nested too deeply.", "traceback": "RecursionError: A result is nested too deeply."})
            return
        if event["type"] == "done":
            self.finish()
        elif event["type"] in ("stdout", "stderr"):
            self._output(event["type"], event["text"])
        else:
            self.emit(event)
