"""ipykernel, with an end of each cell that cannot be missed: whatever a cell throws or breaks, it is answered, or the kernel ends."""

import json
import os
import sys
import traceback

from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from jupyter_client.session import DELIM

from .paths import ENDS

_decode = json.JSONDecoder().decode


class Stream(OutStream):
    def close(self):
        """It is the kernel's, and later cells print to it. (OutStream's own would wait for a thread that waits for more.)"""
        self.flush()


class Kernel(IPythonKernel):
    """Says "begin ID" and "end ID" of each cell by a pipe beside its connection file: what no cell can reach by its mistakes."""

    def attend(self, folder):
        """To be called once there are streams."""
        self._pid = os.getpid()
        self._ends = os.open(os.path.join(folder, ENDS), os.O_WRONLY)
        self._streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
        self._descriptors = [os.dup(descriptor) for descriptor in range(3)]

    async def dispatch_queue(self):
        try:
            await super().dispatch_queue()
        finally:
            os._exit(1)  # it was cancelled by a cell: nobody would read what is asked of this kernel

    async def dispatch_shell(self, msg):
        try:
            await super().dispatch_shell(msg)
        finally:
            self._mend()
            self._say("end", _id_of(msg))

    async def execute_request(self, stream, ident, parent):
        self._say("begin", parent["header"]["msg_id"])
        await super().execute_request(stream, ident, parent)

    async def do_execute(self, *args, **options):
        reply = {}
        try:
            reply = await super().do_execute(*args, **options)
        except BaseException as e:  # not the cell, but what runs it: a cell may bring it to anything
            reply = self._failed(e)
        finally:
            if os.getpid() != self._pid:
                self._leave(reply)
        self._mend()  # what comes now flushes them
        return reply

    def _failed(self, error):
        try:
            value = str(error)
        except BaseException:
            value = "(it cannot be shown)"
        try:
            lines = traceback.format_exception(error)
        except BaseException:
            lines = [value]
        content = {"ename": type(error).__name__, "evalue": value, "traceback": lines}
        self.session.send(self.iopub_socket, "error", content, parent=self.get_parent("shell"), ident=self._topic("error"))
        return {"status": "error", **content, "execution_count": self.shell.execution_count, "user_expressions": {}, "payload": []}

    # A cell has forked and its child came to the end of the cell: there must be one kernel only.
    def _leave(self, reply):
        for name in ("stdout", "stderr"):
            try:
                getattr(sys, name).flush()
            except BaseException:
                pass
        value = reply.get("evalue", "")
        ended = reply.get("ename") == "SystemExit" and (not value or value.isdigit())
        os._exit(int(value or 0) & 255 if ended else int(reply.get("status") != "ok"))

    def _mend(self):
        """Puts back what later cells print to, where it is gone or closed. What was replaced by something that works stays."""
        for descriptor, kept in enumerate(self._descriptors):
            try:
                os.fstat(descriptor)
            except OSError:
                os.dup2(kept, descriptor)
        for name, own in self._streams.items():
            try:
                getattr(sys, name).flush()
            except BaseException:
                setattr(sys, name, own)

    def _say(self, word, name):
        try:
            os.write(self._ends, f"{word} {name}\n".encode("ascii"))
        except OSError:
            os._exit(1)  # nobody would learn of this cell's end


def _id_of(message):
    parts = [part if isinstance(part, bytes) else part.bytes for part in message]
    return _decode(parts[parts.index(DELIM) + 2].decode())["msg_id"]  # behind the delimiter: signature, header
