"""The HTTP server under the endpoints."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from bridge.settings import Settings
from sidecar.listener.asgi import header, respond
from sidecar.listener.request_checks import prefers_stream
from sidecar.listener.server import HttpServer, listen
from tests.support.fake_server import until, within
from tests.support.hub import free_port

pytestmark = pytest.mark.outside


async def test_blanks_around_values_of_headers_do_not_count() -> None:
    """They are no part of a value (RFC 9112, 5.1); blanks inside are."""
    settings = Settings(sidecar_port=free_port())
    stop = asyncio.Event()

    async def app(scope: Any, _: Any, send: Any) -> None:
        await respond(send, 200, header(scope, b"mcp-name"), b"text/plain")

    with contextlib.closing(listen(settings)) as listener:
        async with asyncio.TaskGroup() as tasks:
            server = HttpServer(app, settings)
            tasks.create_task(server.serve_until(stop, listener))
            await until(lambda: server.started)
            reader, writer = await asyncio.open_connection("127.0.0.1", settings.sidecar_port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nMcp-Name: \t a b \t \r\n\r\n")
            answer = await within(reader.read())
            writer.close()
            stop.set()
    assert answer.endswith(b"\r\n\r\na b")


def test_clients_have_what_they_name_first() -> None:
    """Event streams where Accept names them before JSON; JSON else."""
    assert prefers_stream(b"text/event-stream, application/json")
    assert not prefers_stream(b"application/json, text/event-stream")
    assert not prefers_stream(b"*/*")
    assert not prefers_stream(b"text/event-stream")
