"""Kernels that are one process with a program of ours: it takes cells by one pipe and says by another what happens."""

import asyncio
import functools
import os
import shutil
import signal
import subprocess

from .children import begin, ended, signal_group
from .paths import make_folder
from .pipes import Pipe

START_LIMIT = 300


class LineKernel:
    """`argv` gets the numbers of two descriptors: the folders of cells come by the first, lines go to the second."""

    def __init__(self, cwd, note):
        self._cwd = cwd
        self._note = note
        self._run = None
        self._done = None
        self._count = 0
        self.ended = None
        self.stopped = False

    def argv(self, cells, lines):
        raise NotImplementedError

    def write_cell(self, run, machine):
        """Writes a cell into the kernel's folder, for its program to find."""
        raise NotImplementedError

    def on_line(self, line):
        """Takes what the program says; sets `_done` at a cell's end."""
        raise NotImplementedError

    async def start(self):
        self._folder = make_folder("kernel-")
        cells_in, self._cells = os.pipe()
        lines, lines_out = os.pipe()
        outputs = {name: os.pipe() for name in ("stdout", "stderr")}
        process = subprocess.Popen(
            self.argv(cells_in, lines_out), cwd=self._cwd, stdin=subprocess.DEVNULL, stdout=outputs["stdout"][1], stderr=outputs["stderr"][1],
            pass_fds=(cells_in, lines_out), start_new_session=True, preexec_fn=begin)
        process.returncode = 0  # we wait for it ourselves
        self._pid = process.pid
        for descriptor in (cells_in, lines_out, outputs["stdout"][1], outputs["stderr"][1]):
            os.close(descriptor)
        self._pipes = [Pipe(pipe[0], functools.partial(self._output, name)) for name, pipe in outputs.items()]
        self._parts = []
        self._lines = Pipe(lines, self._take_lines)
        self.ended = ended(self._pid, reap=True)
        self._note(self._pid, True)
        self.ended.add_done_callback(lambda _: self._close())
        self._done = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait({self._done, self.ended}, timeout=START_LIMIT, return_when=asyncio.FIRST_COMPLETED)
        if self._done not in done:
            await self.stop()
            raise RuntimeError("it did not start")

    async def run(self, run, machine):
        """Runs a cell; returns when it is done or the kernel has ended: False when that was before the cell had begun."""
        self._run = run
        self._done = asyncio.get_running_loop().create_future()
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)  # code runs as root, and may have removed it
            self.write_cell(run, machine)
            try:
                os.write(self._cells, os.fsencode(self._folder) + b"\n")
            except BrokenPipeError:
                signal_group(self._pid, signal.SIGKILL)  # it was about to end
                await self.ended
                return False
            self._count += run.counts
            run.emit({"type": "number_of_executions", "execution_count": self._count})
            await asyncio.wait({self._done, self.ended}, return_when=asyncio.FIRST_COMPLETED)
            for pipe in (self._lines, *self._pipes):
                pipe.drain()
        finally:
            self._run = None
        return True

    def interrupt(self):
        signal_group(self._pid, signal.SIGINT)

    async def stop(self):
        self.stopped = True
        signal_group(self._pid, signal.SIGKILL)
        await self.ended

    def finish(self):
        if not self._done.done():
            self._done.set_result(None)

    def emit(self, event):
        if self._run:
            self._run.emit(event)

    def _output(self, stream, text):
        if self._run:
            self._run.output(stream, text)

    def _take_lines(self, text):
        first, *others = text.split("\n")
        self._parts.append(first)  # joined when the line is whole: it may be long
        for piece in others:
            line = "".join(self._parts)
            self._parts = [piece]
            try:
                self.on_line(line)
            except Exception:  # a cell wrote to this pipe: what else was lost of what the program said cannot be known
                signal_group(self._pid, signal.SIGKILL)

    def _close(self):
        self._note(self._pid, False)
        for pipe in (*self._pipes, self._lines):
            pipe.drain()
            pipe.close()
        os.close(self._cells)
        signal_group(self._pid, signal.SIGKILL)  # what it left in its group
        shutil.rmtree(self._folder, ignore_errors=True)
