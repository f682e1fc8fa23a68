"""Whoever comes in a crowd stands in line, and what else is to be done gets its turn meanwhile."""

import asyncio
import socket
from contextlib import ExitStack, closing

from aiohttp import web

from oshiyakusho_matrix.operations.listener import listening
from oshiyakusho_matrix.settings.values import Listen
from tests.support.ports import ReservedPort

CROWD = 60


async def test_of_a_crowd_few_are_taken_up_at_once_and_all_in_the_end() -> None:
    answered = 0

    async def answer(_request: web.Request) -> web.Response:
        nonlocal answered
        answered += 1
        return web.Response()

    application = web.Application()
    application.router.add_get("/", answer)
    reserved = ReservedPort()
    port = reserved.open_to_listeners()
    with ExitStack() as stack:
        stack.callback(reserved.release)
        async with listening(application, Listen("127.0.0.1", port)), asyncio.timeout(30):
            for _ in range(CROWD):  # while the listener has no turn: all of them have to find a place in line
                connection = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=5)))
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            most = 0
            while answered < CROWD:
                before = answered
                await asyncio.sleep(0)
                most = max(most, answered - before)
    assert most < 10
