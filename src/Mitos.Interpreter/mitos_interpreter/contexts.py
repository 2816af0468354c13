"""Contexts: a kernel each, its language and directory; runs of one context come one after the other."""

import asyncio
import os
import uuid

from . import machine
from .bash_kernel import BashKernel
from .javascript_kernel import JavaScriptKernel
from .paths import KERNELS, RUN
from .python_kernel import PythonKernel
from .run import Run

ALIASES = {"": "python", "py": "python", "python3": "python", "js": "javascript", "node": "javascript", "ts": "typescript", "sh": "bash", "shell": "bash"}
LANGUAGES = ("python", "javascript", "bash")
HOME = "/home/user"
MOST_CONTEXTS = 100

# An interrupt may come in a moment in which it is not heard.
INTERRUPTS = 5


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def language_of(text):
    name = (text or "").strip().lower()
    name = ALIASES.get(name, name)
    if name == "typescript":
        raise Refusal(400, "The language 'typescript' is not available: the guest's node cannot strip types. Use javascript.")
    if name not in LANGUAGES:
        raise Refusal(400, f"The language '{text}' is not available. There are: {', '.join(LANGUAGES)}.")
    return name


class Context:
    def __init__(self, language, cwd, make_kernel):
        self.id = str(uuid.uuid4())
        self.language = language
        self.cwd = cwd
        self.kernel = None
        self._make_kernel = make_kernel
        self._turn = asyncio.Lock()
        self._current = None
        self._removed = False

    def describe(self):
        return {"id": self.id, "language": self.language, "cwd": self.cwd}

    async def start(self):
        kernel = self._make_kernel(self)
        await kernel.start()
        self.kernel = kernel

    async def execute(self, run):
        """Runs a cell when those before it are done. Its end is always said."""
        async with self._turn:
            if run.abandoned:
                return
            if self._removed:
                run.error("ContextRemoved", "The context was removed before its turn came.")
                run.end()
                return
            try:
                await self._execute(run)
            except Exception as e:  # the client must learn of it, whatever it is
                run.error("KernelFailed", f"The {self.language} kernel could not run this: {e}")
            run.end()

    async def _execute(self, run):
        while not await self._execute_in(await self._ready(run), run):
            pass  # the kernel before was about to end

    async def _execute_in(self, kernel, run):
        """Returns False when the kernel ended before the run began."""
        self._current = run
        interrupts = None

        def begin_interrupts():
            nonlocal interrupts
            interrupts = asyncio.ensure_future(self._interrupt_often(kernel))

        run.on_abandon = begin_interrupts
        try:
            begun = await kernel.run(run, machine.describe())
        finally:
            run.on_abandon = None
            self._current = None
            if interrupts:
                interrupts.cancel()
        if kernel.stopped:
            run.error("ContextRestarting", "The context was restarted or removed.")
        elif not begun:
            return False
        elif kernel.ended.done():
            run.error("KernelDied", f"The {self.language} kernel ended ({kernel.ended.result()}); a new one takes its place, without its variables.")
            await self._try_start()
        return True

    async def _ready(self, run):
        before = self.kernel
        if before and not before.ended.done():
            return before
        await self.start()
        if before and not before.stopped:
            run.output("stderr", f"The {self.language} kernel had ended ({before.ended.result()}); this one is new, without its variables.\n")
        return self.kernel

    async def _try_start(self):
        try:
            await self.start()
        except Exception:  # the next run tries again, and says why not
            self.kernel = None

    @staticmethod
    async def _interrupt_often(kernel):
        for _ in range(INTERRUPTS):
            kernel.interrupt()
            await asyncio.sleep(1)

    def interrupt(self):
        if self._current and self.kernel:
            self.kernel.interrupt()

    async def restart(self):
        """Ends what runs; those that wait run in the new kernel."""
        if self.kernel:
            await self.kernel.stop()
        async with self._turn:
            if self.kernel is None or self.kernel.ended.done():  # or a run that waited was faster
                await self.start()

    async def remove(self):
        self._removed = True
        if self.kernel:
            await self.kernel.stop()


class Contexts:
    def __init__(self, zygote):
        self._zygote = zygote
        self._all = {}
        self._defaults = {}
        self._making = {}
        self._pids = set()

    async def start_defaults(self):
        for language in LANGUAGES:
            context = await self.default(language)
            await context.kernel.run(Run(context.kernel.WARM, counts=False), machine.describe())

    async def default(self, language):
        """The context of those who name none; made anew when it was removed."""
        context = self._all.get(self._defaults.get(language))
        if context:
            return context
        lock = self._making.setdefault(language, asyncio.Lock())
        async with lock:
            context = self._all.get(self._defaults.get(language))
            if not context:
                context = await self.create(language, HOME)
                self._defaults[language] = context.id
        return context

    async def create(self, language, cwd):
        if not os.path.isdir(cwd):
            raise Refusal(400, f"The directory '{cwd}' does not exist.")
        if len(self._all) >= MOST_CONTEXTS:
            raise Refusal(429, f"There are {MOST_CONTEXTS} contexts already: remove some.")
        context = Context(language, cwd, self._make_kernel)
        self._all[context.id] = context
        try:
            await context.start()
        except Exception as e:
            self._all.pop(context.id, None)
            raise Refusal(500, f"The {language} kernel could not be started: {e}") from e
        return context

    def list(self):
        return list(self._all.values())

    def get(self, context_id):
        context = self._all.get(context_id)
        if not context:
            raise Refusal(404, f"Context {context_id} not found")
        return context

    async def remove(self, context_id):
        context = self.get(context_id)
        del self._all[context_id]
        await context.remove()

    def _make_kernel(self, context):
        if context.language == "python":
            return PythonKernel(context.cwd, self._zygote, self._note)
        kind = JavaScriptKernel if context.language == "javascript" else BashKernel
        return kind(context.cwd, self._note)

    # The hook reads this file with nothing but a shell: it must always be whole.
    def _note(self, pid, lives):
        (self._pids.add if lives else self._pids.discard)(pid)
        os.makedirs(RUN, mode=0o700, exist_ok=True)
        with open(KERNELS + ".draft", "w", encoding="ascii") as file:
            file.write(" ".join(map(str, sorted(self._pids))) + "\n")
        os.rename(KERNELS + ".draft", KERNELS)
