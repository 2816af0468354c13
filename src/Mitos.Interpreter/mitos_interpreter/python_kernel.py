"""A Python kernel: ipykernel in a process of its own, spoken to with Jupyter's messages."""

import asyncio
import os
import shutil
import signal
import tempfile

import zmq
import zmq.asyncio
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

from .children import ended, signal_group
from .paths import RUN
from .results import result_of

START_LIMIT = 300
# After the reply its last outputs are on their way.
LAST_OUTPUTS = 10


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
        self.ended = None
        self.stopped = False

    async def start(self):
        self._folder = tempfile.mkdtemp(prefix="python-", dir=RUN)
        file, info = write_connection_file(os.path.join(self._folder, "connection.json"), transport="ipc", ip=os.path.join(self._folder, "s"))
        self._session = Session(key=info["key"].encode(), signature_scheme=info["signature_scheme"], username="mitos")
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
        """Runs a cell; returns when it is done or the kernel has ended."""
        content = {"code": run.code, "silent": False, "store_history": run.counts, "user_expressions": {}, "allow_stdin": False, "stop_on_error": False}
        message = self._session.msg("execute_request", content, metadata={"mitos": {"machine": machine, "env": run.env}})
        name = message["header"]["msg_id"]
        idle, reply = self._expect(name)
        self._runs[name] = (run, idle)
        await self._send(message)
        try:
            await asyncio.wait({reply, self.ended}, return_when=asyncio.FIRST_COMPLETED)
            if reply.done():
                await asyncio.wait({idle, self.ended}, return_when=asyncio.FIRST_COMPLETED, timeout=LAST_OUTPUTS)
        finally:
            self._runs.pop(name, None)
            self._replies.pop(name, None)

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
            _, parts = self._session.feed_identities(await socket.recv_multipart())
            message = self._session.deserialize(parts)
            take(message, message["parent_header"].get("msg_id"))

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
            run.emit({"type": content["name"], "text": content["text"], "timestamp": message["header"]["date"].isoformat()})
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
        shutil.rmtree(self._folder, ignore_errors=True)
