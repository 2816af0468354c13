"""HTTP as the SDKs of E2B speak it: /execute answers lines of JSON, /contexts keeps contexts. Tokens are checked by the host."""

import asyncio
import json

import tornado.iostream
import tornado.web

from .contexts import HOME, Refusal, language_of
from .run import Run


# Of a body. What is more is read, and refused: who is cut off while it sends learns nothing.
MOST_BYTES = 64 << 20


@tornado.web.stream_request_body
class Handler(tornado.web.RequestHandler):
    def initialize(self, contexts):
        self.contexts = contexts
        self._parts = []
        self._size = 0

    def data_received(self, chunk):
        self._size += len(chunk)
        if self._size <= MOST_BYTES:
            self._parts.append(chunk)
        else:
            self._parts.clear()

    def body(self):
        """The body's object; {} without one."""
        if self._size > MOST_BYTES:
            raise Refusal(413, f"The body is larger than {MOST_BYTES >> 20} MiB.")
        if not self._size:
            return {}
        try:
            body = json.loads(b"".join(self._parts))
        except ValueError as e:
            raise Refusal(400, f"The body is not JSON: {e}") from e
        except RecursionError:
            raise Refusal(400, "The body is nested too deeply.") from None
        if not isinstance(body, dict):
            raise Refusal(400, "The body must be a JSON object.")
        return body

    def answer(self, value, status=200):
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(value))

    def write_error(self, status_code, **details):
        error = details.get("exc_info", (None, None))[1]
        if isinstance(error, Refusal):
            status_code, message = error.status, str(error)
        else:
            message = self._reason if status_code != 500 else f"Internal error: {error}"
        self.answer({"code": status_code, "message": message}, status_code)

    def log_exception(self, kind, value, traceback):
        if not isinstance(value, Refusal):
            super().log_exception(kind, value, traceback)


def text_of(body, name):
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Refusal(400, f"'{name}' must be a text.")
    return value


def _is_variable(name, value):
    if not isinstance(value, str) or not name or "=" in name or "\0" in name + value:
        return False
    try:
        (name + value).encode()
    except UnicodeEncodeError:
        return False  # halves of characters
    return True


class Health(Handler):
    def get(self):
        self.answer("OK")


class Execute(Handler):
    run = None

    async def post(self):
        body = self.body()
        code, context_id, language = (text_of(body, name) for name in ("code", "context_id", "language"))
        env = {} if body.get("env_vars") is None else body["env_vars"]
        if code is None:
            raise Refusal(400, "'code' is missing.")
        if context_id and language:
            raise Refusal(400, "Only one of context_id and language can be given.")
        if not isinstance(env, dict) or not all(_is_variable(name, value) for name, value in env.items()):
            raise Refusal(400, "'env_vars' must be an object of texts; names have no '='.")
        context = self.contexts.get(context_id) if context_id and context_id != "default" else await self.contexts.default(language_of(language))
        self.run = Run(code, env)
        self.set_header("Content-Type", "application/x-ndjson")
        work = asyncio.ensure_future(context.execute(self.run))  # lives on when this request does not
        try:
            await self.flush()  # who waits for its turn sees that it was taken
            async for line in self.run.lines():
                self.write(line)
                await self.flush()
        except tornado.iostream.StreamClosedError:
            self.run.abandon()
        if self.run.abandoned:
            self.request.connection.stream.close()  # no clean end: what was sent is not all
            return
        await work

    def on_connection_close(self):
        if self.run:
            self.run.abandon()


class AllContexts(Handler):
    def get(self):
        self.answer([context.describe() for context in self.contexts.list()])

    async def post(self):
        body = self.body()
        context = await self.contexts.create(language_of(text_of(body, "language")), text_of(body, "cwd") or HOME)
        self.answer(context.describe())


class OneContext(Handler):
    async def delete(self, context_id):
        await self.contexts.remove(context_id)
        self.set_status(204)
        self.finish()


class Restart(Handler):
    async def post(self, context_id):
        await self.contexts.get(context_id).restart()
        self.set_status(204)
        self.finish()


class Interrupt(Handler):
    def post(self, context_id):
        self.contexts.get(context_id).interrupt()
        self.set_status(204)
        self.finish()


class Missing(Handler):
    def prepare(self):
        raise Refusal(404, f"There is no {self.request.path} here.")


def make_application(contexts):
    common = {"contexts": contexts}
    return tornado.web.Application(
        [
            ("/health", Health, common),
            ("/execute", Execute, common),
            ("/contexts", AllContexts, common),
            ("/contexts/([^/]+)", OneContext, common),
            ("/contexts/([^/]+)/restart", Restart, common),
            ("/contexts/([^/]+)/interrupt", Interrupt, common),
        ],
        default_handler_class=Missing,
        default_handler_args=common,
        log_function=lambda handler: None,
    )
