"""One run of a cell, between the kernel that does it and the client that follows it."""

import asyncio
import collections
import datetime
import json

# A client that is so far behind gets no more: the guest's memory is not its buffer.
MOST_WAITING = 64 << 20


class Run:
    """Lines for the client. Ends with `end`, or when the client is gone."""

    def __init__(self, code, env=None, counts=True):
        self.code = code
        self.env = env or {}
        self.counts = counts  # False: it leaves no trace, and does not count
        self.abandoned = False
        self.on_abandon = None  # set while a kernel works on it
        self._lines = collections.deque()
        self._waiting = 0
        self._more = asyncio.Event()
        self._ended = False

    def emit(self, event):
        """Takes an event {"type": …} of the kernel."""
        if self._ended or self.abandoned:
            return
        line = (json.dumps(event, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        self._lines.append(line)
        self._waiting += len(line)
        self._more.set()
        if self._waiting > MOST_WAITING:
            self._give_up()

    def output(self, stream, text, when=None):
        """Takes a piece of `stdout` or `stderr`, written now or at a given time."""
        self.emit({"type": stream, "text": text, "timestamp": (when or datetime.datetime.now(datetime.timezone.utc)).isoformat()})

    def error(self, name, value, traceback=None):
        self.emit({"type": "error", "name": name, "value": value, "traceback": traceback or f"{name}: {value}"})

    def end(self):
        self.emit({"type": "end_of_execution"})
        self._ended = True
        self._more.set()

    def _give_up(self):
        self._lines.clear()
        self._waiting = 0
        self.error("OutputLimit", f"The client was {MOST_WAITING >> 20} MiB of output behind: those were dropped, and the run interrupted.")
        self.end()
        if self.on_abandon:
            self.on_abandon()

    def abandon(self):
        """The client is gone: nobody will ever see more of it."""
        if self.abandoned or self._ended:
            return
        self.abandoned = True
        self._more.set()
        if self.on_abandon:
            self.on_abandon()

    async def lines(self):
        """Bytes to send, as they come."""
        while True:
            while self._lines and not self.abandoned:
                line = self._lines.popleft()
                self._waiting -= len(line)
                yield line
            if self._ended or self.abandoned:
                return
            self._more.clear()
            await self._more.wait()
