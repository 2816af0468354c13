"""A Python kernel: ipykernel in a process of its own, spoken to with Jupyter's messages."""

import asyncio
import os
import shutil
import signal

import zmq
import zmq.asyncio
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

from .children import ended, signal_group
from .packing import pack
from .paths import ENDS, make_folder
from .pipes import Pipe
from .results import result_of

START_LIMIT = 300
# A cell that has ended is answered, and what it printed is on its way. A kernel that says nothing for so long then has been broken by it.
SILENCE = 20


class PythonKernel:
    # What is done for the first time is slow, and brings in much memory.
    WARM = "print('warm'); display(pd.DataFrame({'a': [1.5]})); plt.plot([1, 2]); plt.title('warm'); plt.show(); get_ipython().system('true')"

    def __init__(self, cwd, zygote, note):
        self._cwd = cwd
        self._zygote = zygote
        self._note = note
        self._runs = {}
        self._replies = {}
        self._readers = []
        self._sockets = []
        self._said = asyncio.Event()  # whenever something came from the kernel
        self._begun = self._over = None  # ids of the last cells
        self._part = ""
        self.ended = None
        self.stopped = False

    async def start(self):
        self._folder = make_folder("python-")
        file, info = write_connection_file(os.path.join(self._folder, "connection.json"), transport="ipc", ip=os.path.join(self._folder, "s"))
        self._session = Session(key=info["key"].encode(), signature_scheme=info["signature_scheme"], username="mitos", packer=f"{pack.__module__}.pack")
        os.mkfifo(os.path.join(self._folder, ENDS), 0o600)
        self._ends = Pipe(os.open(os.path.join(self._folder, ENDS), os.O_RDWR), self._take_ends)  # for writing too: it must not seem to end
        self._pid = await self._zygote.fork(file, self._cwd)
        self.ended = ended(self._pid, reap=False)
        self._note(self._pid, True)
        self.ended.add_done_callback(lambda _: self._close())
        self._shell, self._outputs = (self._connect(kind, info[port]) for kind, port in ((zmq.DEALER, "shell_port"), (zmq.SUB, "iopub_port")))
        self._outputs.setsockopt(zmq.SUBSCRIBE, b"")
        self._readers = [asyncio.ensure_future(self._read(self._shell, self._on_reply)), asyncio.ensure_future(self._read(self._outputs, self._on_output))]
        try:
            await asyncio.wait_for(self._greet(), START_LIMIT)
        except BaseException:
            await self.stop()
            raise

    async def run(self, run, machine):
        """Runs a cell; returns when it is done or the kernel has ended: False when that was before the cell had begun."""
        content = {"code": run.code, "silent": False, "store_history": run.counts, "user_expressions": {}, "allow_stdin": False, "stop_on_error": False}
        message = self._session.msg("execute_request", content, metadata={"mitos": {"machine": machine, "env": run.env}})
        name = message["header"]["msg_id"]
        idle, reply = self._expect(name)
        self._runs[name] = (run, idle)
        try:
            await self._send(message)
            await self._wait_for_end(name, idle, reply)
            if not (idle.done() and reply.done()):
                await self._end(0)
            elif _calls_exit(reply.result()):
                await self._end(SILENCE)
        finally:
            self._runs.pop(name, None)
            self._replies.pop(name, None)
        self._ends.drain()
        return not self.ended.done() or self._begun == name

    async def _wait_for_end(self, name, idle, reply):
        while not self.ended.done() and not (idle.done() and reply.done()):
            self._said.clear()
            over = self._over == name or reply.done()
            said = asyncio.ensure_future(self._said.wait())
            done, _ = await asyncio.wait({said, self.ended}, timeout=SILENCE if over else None, return_when=asyncio.FIRST_COMPLETED)
            said.cancel()
            if not done:
                return

    async def _end(self, limit):
        """Waits until it ends by itself, and ends it if it does not."""
        await asyncio.wait({self.ended}, timeout=limit)
        signal_group(self._pid, signal.SIGKILL)
        await self.ended

    def interrupt(self):
        signal_group(self._pid, signal.SIGINT)

    async def stop(self):
        self.stopped = True
        if self.ended:
            signal_group(self._pid, signal.SIGKILL)
            await self.ended

    def _connect(self, kind, port):
        socket = zmq.asyncio.Context.instance().socket(kind)
        socket.linger = 0
        socket.set_hwm(0)  # nothing is dropped: how much may wait is each run's affair
        socket.connect(f"ipc://{os.path.join(self._folder, 's')}-{port}")
        self._sockets.append(socket)
        return socket

    # Both directions must work: what is published before the subscription arrives is lost.
    async def _greet(self):
        while not self.ended.done():
            message = self._session.msg("kernel_info_request")
            idle, reply = self._expect(message["header"]["msg_id"])
            self._runs[message["header"]["msg_id"]] = (None, idle)
            await self._send(message)
            done, _ = await asyncio.wait({idle, self.ended}, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            if idle in done:
                self._runs.clear()
                self._replies.clear()
                return
        raise RuntimeError("it ended at its start")

    # Not by Session.send(): that goes past the loop, which then may never learn of what arrived in the meantime.
    async def _send(self, message):
        await self._shell.send_multipart(self._session.serialize(message))

    def _expect(self, name):
        loop = asyncio.get_running_loop()
        idle, reply = loop.create_future(), loop.create_future()
        self._replies[name] = reply
        return idle, reply

    async def _read(self, socket, take):
        while True:
            parts = await socket.recv_multipart()
            try:
                message = self._session.deserialize(self._session.feed_identities(parts)[1])
                take(message, message["parent_header"].get("msg_id"))
            except Exception as e:  # of one message; those that follow must be read
                for run, _ in self._runs.values():
                    if run:
                        run.error("OutputLost", f"What the kernel said could not be understood: {e}")
            self._said.set()

    def _take_ends(self, text):
        *lines, self._part = (self._part + text).split("\n")
        for line in lines:
            word, _, name = line.partition(" ")
            if word == "begin":
                self._begun = name
            elif word == "end":
                self._over = name
        self._said.set()

    def _on_reply(self, message, name):
        reply = self._replies.get(name)
        if reply and not reply.done():
            reply.set_result(message)

    def _on_output(self, message, name):
        run, idle = self._runs.get(name, (None, None))
        kind, content = message["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] == "idle" and idle and not idle.done():
            idle.set_result(None)
        if not run:
            return
        if kind == "stream":
            run.output(content["name"], content["text"], message["header"]["date"])
        elif kind in ("display_data", "execute_result"):
            run.emit(result_of(content["data"], kind == "execute_result"))
        elif kind == "error":
            run.error(content["ename"], content["evalue"], "\n".join(content["traceback"]))
        elif kind == "execute_input":
            run.emit({"type": "number_of_executions", "execution_count": content["execution_count"]})

    def _close(self):
        self._note(self._pid, False)
        for reader in self._readers:
            reader.cancel()
        for socket in self._sockets:
            socket.close()
        self._ends.drain()
        self._ends.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _calls_exit(reply):
    """Whether the cell has told the kernel to end."""
    return any(one.get("source") == "ask_exit" and not one.get("keepkernel") for one in reply["content"].get("payload", []))
