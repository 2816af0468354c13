"""Starts the interpreter: `python3 -m mitos_interpreter`. It ends when it can no longer serve; what started it starts it again."""

import asyncio
import os
import shutil

import tornado.httpserver
import tornado.netutil

from .contexts import Contexts
from .paths import RUN
from .routes import make_application
from .zygote import Zygote, fork_zygote

PORT = 49999


def main():
    shutil.rmtree(RUN, ignore_errors=True)
    os.makedirs(RUN, mode=0o700)
    # At once, so that a second one ends here and not with kernels of its own.
    sockets = tornado.netutil.bind_sockets(PORT, address="127.0.0.1")
    asyncio.run(serve(sockets, *fork_zygote()))


async def serve(sockets, zygote_pid, zygote_socket):
    zygote = Zygote(zygote_pid, zygote_socket)
    contexts = Contexts(zygote)
    await contexts.start_defaults()
    server = tornado.httpserver.HTTPServer(make_application(contexts), max_body_size=1 << 40)
    server.add_sockets(sockets)
    await zygote.ended  # its kernels end with it


if __name__ == "__main__":
    main()
