"""What comes out of a process, as text, without a thread that waits for it."""

import asyncio
import codecs
import os

# Of a pipe, on Linux.
CAPACITY = 65536


class Pipe:
    def __init__(self, descriptor, take):
        self._descriptor = descriptor
        self._take = take
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self):
        """Takes one piece; returns its length, 0 when there is none now."""
        if self._descriptor is None:
            return 0
        try:
            data = os.read(self._descriptor, CAPACITY)
        except BlockingIOError:
            return 0
        text = self._decode(data, final=not data)
        if text:
            self._take(text)
        if not data:
            self.close()
        return len(data)

    def drain(self):
        """Takes what is in the pipe now, and no more: a process may write for ever."""
        rest = CAPACITY
        while rest > 0 and (taken := self._read()):
            rest -= taken

    def close(self):
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
